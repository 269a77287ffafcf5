// Text to value, one converter per type of setting. Durations follow Beaker: a bare number means seconds.

/** Reads the text of a setting. `parse` answers undefined for text that it does not take. */
export interface Converter<T> {
  /** What a user is told is expected: "true or false", "a whole number". */
  readonly expected: string
  parse(text: string): T | undefined
  /** Whether a value given in code (not text) is one of this type. */
  accepts(value: unknown): value is T
  /** What stands in a file for a value, where that is not its usual text. */
  show?(value: T): string
  /** For text that it does not take: ` Did you mean "x"?`, or nothing. */
  hint?(text: string): string
}

const TRUE = new Set(['true', 'yes', 'on', 'y', 't', '1'])
const FALSE = new Set(['false', 'no', 'off', 'n', 'f', '0'])

/** Paste's asbool: `true yes on y t 1` and `false no off n f 0`, in any case. */
export const boolean: Converter<boolean> = {
  expected: 'true or false',
  parse(text) {
    const word = text.trim().toLowerCase()
    return TRUE.has(word) ? true : FALSE.has(word) ? false : undefined
  },
  accepts: (value): value is boolean => typeof value === 'boolean',
}

/** Any text that is not blank. */
export const text: Converter<string> = {
  expected: 'some text',
  parse: (value) => (value.trim() === '' ? undefined : value),
  accepts: (value): value is string => typeof value === 'string' && value.trim() !== '',
}

/** A whole number from `min` to `max`, both included. */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Converter<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  const accepts = (value: unknown): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
  return {
    expected: `a whole number ${range}`,
    parse(value) {
      const trimmed = value.trim()
      if (!/^-?\d+$/.test(trimmed)) return undefined
      const number = Number(trimmed)
      return accepts(number) ? number : undefined
    },
    accepts,
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** A time span in seconds: `90`, `90s`, `30m`, `12h`, `7d`. At least `min` seconds. */
export function duration(min = 1): Converter<number> {
  const accepts = (value: unknown): value is number =>
    typeof value === 'number' && Number.isFinite(value) && value >= min && value <= 1e10
  return {
    expected: `a time of at least ${min} second${min === 1 ? '' : 's'} as in 90, 90s, 30m, 12h or 7d`,
    parse(value) {
      const match = /^(\d+)([smhd]?)$/.exec(value.trim())
      if (match === null) return undefined
      const seconds = Number(match[1]) * (UNIT_SECONDS[match[2]!] ?? 1)
      return accepts(seconds) ? seconds : undefined
    },
    accepts,
  }
}

const UNIT_BYTES: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** A size in bytes: `4096`, `64k`, `10m`, `1g` (powers of 1024). */
export function bytes(min = 0): Converter<number> {
  const accepts = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= min
  return {
    expected: 'a size in bytes as in 4096, 64k or 10m',
    parse(value) {
      const match = /^(\d+)([kmg]?)b?$/i.exec(value.trim())
      if (match === null) return undefined
      const size = Number(match[1]) * (UNIT_BYTES[match[2]!.toLowerCase()] ?? 1)
      return accepts(size) ? size : undefined
    },
    accepts,
  }
}

/** One of some words, written in any case. */
export function oneOf<const T extends string>(...words: readonly T[]): Converter<T> {
  return {
    expected: words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
    parse: (value) => words.find((word) => word.toLowerCase() === value.trim().toLowerCase()),
    accepts: (value): value is T => words.includes(value as T),
  }
}

/** Words divided by white space, as in Paste's aslist. */
export const words: Converter<readonly string[]> = {
  expected: 'words divided by spaces',
  parse: (value) =>
    value
      .trim()
      .split(/\s+/)
      .filter((word) => word !== ''),
  accepts: (value): value is readonly string[] =>
    Array.isArray(value) && value.every((item) => typeof item === 'string'),
}

/** Words divided by commas, white space around them dropped. */
export const list: Converter<readonly string[]> = {
  expected: 'words divided by commas',
  parse: (value) =>
    value
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  accepts: words.accepts,
}

/** One of several types, tried in order. */
export function either<A, B>(first: Converter<A>, second: Converter<B>): Converter<A | B> {
  return {
    expected: [first.expected, second.expected].filter((expected) => expected !== '').join(', or '),
    parse: (value) => first.parse(value) ?? second.parse(value),
    accepts: (value): value is A | B => first.accepts(value) || second.accepts(value),
  }
}
