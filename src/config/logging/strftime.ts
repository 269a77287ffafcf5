// C's strftime, as far as dates in log lines go: local time, English names.

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September'].concat(
  ['October', 'November', 'December'],
)
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

const two = (number: number) => String(number).padStart(2, '0')

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  F: (date) => strftime('%Y-%m-%d', date),
  T: (date) => strftime('%H:%M:%S', date),
  s: (date) => String(Math.trunc(date.getTime() / 1000)),
  z: (date) => zone(-date.getTimezoneOffset()),
  '%': () => '%',
}

/** The date by a format. A directive that is not known stays as it is written. */
export function strftime(format: string, date: Date): string {
  return format.replace(/%(.)/gs, (all, letter: string) =>
    Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter]!(date) : all,
  )
}

/** The directives of a format that strftime above does not know. */
export function unknownDirectives(format: string): string[] {
  return [...format.matchAll(/%(.|$)/gs)]
    .filter(([, letter]) => !Object.hasOwn(DIRECTIVES, letter!))
    .map(([all]) => all)
}

/** `+0130` for 90 minutes. */
function zone(minutes: number): string {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}${two(size % 60)}`
}
