// What a client says that it takes (RFC 9110, 12.5.3).

/**
 * The encoding of `offered` (best first) that the header likes best; undefined: send the body as it is, because it asks
 * for none of them, or likes it better plain.
 */
export function preferred(header: string | undefined, offered: readonly string[]): string | undefined {
  if (header === undefined) return undefined
  const weights = parse(header)
  const weightOf = (name: string) => weights.get(name) ?? weights.get('*') ?? 0
  let best: string | undefined
  for (const name of offered) {
    if (weightOf(name) > (best === undefined ? 0 : weightOf(best))) best = name
  }
  return best !== undefined && weightOf(best) >= (weights.get('identity') ?? 0) ? best : undefined
}

function parse(header: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const item of header.split(',')) {
    const [coding = '', ...parameters] = item.split(';')
    const name = coding.trim().toLowerCase()
    if (name === '') continue
    const q = parameters.map((parameter) => parameter.trim()).find((parameter) => /^q=/i.test(parameter))
    const weight = q === undefined ? 1 : Number(q.slice(2))
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight >= 0 && weight <= 1 ? weight : 0)
  }
  return weights
}
