// What is made of measured numbers.

/** The value below which the share `q` (0 to 1) of the numbers lies. */
export function quantile(numbers, q) {
  const sorted = Float64Array.from(numbers).sort()
  if (sorted.length === 0) return Number.NaN
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]
  return low + (sorted[Math.ceil(at)] - low) * (at % 1)
}

/** Median with the spread: the lowest and the highest, and the middle half. */
export function summary(numbers) {
  return {
    median: quantile(numbers, 0.5),
    low: quantile(numbers, 0),
    high: quantile(numbers, 1),
    q1: quantile(numbers, 0.25),
    q3: quantile(numbers, 0.75),
  }
}

/** Text of about so many bytes as JSON, of the kind that sessions hold, the same in each run. */
export function sessionData(bytes) {
  const data = {
    user: 'maria.example',
    n: 0,
    locale: 'de-DE',
    roles: ['editor', 'reviewer'],
    token: '9f86d081884c7d659a2feaa0c55ad015',
    fill: '',
  }
  // Not repeating, so that Beaker's zlib has no easy day: xorshift with a fixed start.
  let state = 12345
  let fill = ''
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  while (JSON.stringify(data).length + fill.length < bytes) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    fill += letters[state >>> 26]
  }
  return { ...data, fill }
}
