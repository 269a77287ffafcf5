// Python's idea of white space, which files are read by: as JavaScript's, but FS to US and NEL are part of it and a
// byte order mark inside of a text is not.

const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const LEADING = new RegExp(`^${SPACE}+`)
const RUNS = new RegExp(`${SPACE}+`)
const ONE = new RegExp(SPACE)

/** How many characters of white space the text begins with. */
export function indentOf(text: string): number {
  return LEADING.exec(text)?.[0].length ?? 0
}

/** `str.rstrip()`. */
export function stripEnd(text: string): string {
  let end = text.length
  while (end > 0 && ONE.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** `str.strip()`. */
export function strip(text: string): string {
  return stripEnd(text.slice(indentOf(text)))
}

/** `str.split()`: the words of a text, none of them empty. */
export function splitWords(text: string): string[] {
  const stripped = strip(text)
  return stripped === '' ? [] : stripped.split(RUNS)
}
