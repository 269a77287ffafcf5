// Did-you-mean: the known name that is nearest to what was written.

/** Nobody reads more names than this in an error. */
const MAX_LISTED = 20

/** How many pairs of letters are compared for all the mistakes of one source: less than a second goes by. */
const MOST_COMPARED = 50_000_000

/** Answers the nearest of `known` to `given`, or undefined when none is close enough to be a likely slip. */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.min(Math.max(1, Math.floor(given.length / 3)) + 1, given.length)
  const written = given.toLowerCase()
  for (const name of known) {
    const distance = editDistance(written, name.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/**
 * ` Did you mean "x"?`, or the list of all there is (or, of more than 20, where it is), or nothing: ready to be put after a
 * full stop.
 */
export function hint(given: string, known: Iterable<string>): string {
  const names = [...known]
  const near = nearest(given, names)
  if (near !== undefined) return ` Did you mean "${near}"?`
  if (names.length === 0) return ''
  return names.length > MAX_LISTED
    ? ' `sessd options` tells what there is.'
    : ` There is: ${names.join(', ')}.`
}

/** Like hint, but with the list (of at most 20) as well as the nearest: for a name among names that are not known by heart. */
export function offer(given: string, known: Iterable<string>): string {
  const names = [...new Set(known)]
  const near = nearest(given, names)
  const listed =
    names.length > MAX_LISTED
      ? [...names.slice(0, MAX_LISTED), `and ${names.length - MAX_LISTED} more`]
      : names
  return (
    (near === undefined ? '' : ` Did you mean "${near}"?`) +
    (names.length === 0 ? '' : ` There is: ${listed.join(', ')}.`)
  )
}

/** What the mistakes of each source have cost. */
const compared = new WeakMap<object, number>()

/**
 * Like offer, for a mistake in a source (a file) that may hold as many of them as names: when to look for what was meant
 * would take too long, nothing is offered any more.
 */
export function offerFrom(source: object, given: string, known: () => Iterable<string>): string {
  const before = compared.get(source) ?? 0
  if (before > MOST_COMPARED) return ''
  const names = [...known()]
  const after = names.reduce((sum, name) => sum + (given.length + 1) * (name.length + 1), before)
  compared.set(source, after)
  return after > MOST_COMPARED ? '' : offer(given, names)
}

/** Optimal string alignment distance (a swap of neighbours costs 1), cut off at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    let least = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforePrevious[j - 2]! + 1)
      }
      current.push(cost)
      least = Math.min(least, cost)
    }
    if (least >= limit) return limit
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]!
}
