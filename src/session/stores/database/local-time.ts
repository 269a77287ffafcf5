// Times as Python's `datetime.now()` leaves them in a database: of the local time zone, which is not said. Once a year
// an hour comes twice; what is written in it is taken for the later one, so that nothing dies early.

const pad = (value: number, width: number) => String(value).padStart(width, '0')

/** `YYYY-MM-DD HH:MM:SS.ffffff` of epoch milliseconds from the year 1000 to 9999. */
export function toLocalTime(time: number): string {
  const at = new Date(time)
  const date = `${pad(at.getFullYear(), 4)}-${pad(at.getMonth() + 1, 2)}-${pad(at.getDate(), 2)}`
  const clock = `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}`
  return `${date} ${clock}.${pad(at.getMilliseconds(), 3)}000`
}

const LOCAL_TIME = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?$/

const HOUR = 3_600_000

/** Epoch milliseconds, rounded down; undefined when it is no such text. */
export function fromLocalTime(text: string): number | undefined {
  const match = LOCAL_TIME.exec(text)
  if (match === null) return undefined
  const [year, month, day, hours, minutes, seconds] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  const time = new Date(year, month - 1, day, hours, minutes, seconds, milliseconds).getTime()
  const later = time + putBack(time, time + HOUR)
  return later !== time && toLocalTime(later) === toLocalTime(time) ? later : time
}

/** A local time before which everything is older than `time`, although clocks were put back between then and `now`. */
export function localTimeBefore(time: number, now: number): string {
  return toLocalTime(time - putBack(time, now))
}

/** By how much clocks were put back from one time to another, in milliseconds. */
function putBack(from: number, to: number): number {
  return Math.max(0, new Date(to).getTimezoneOffset() - new Date(from).getTimezoneOffset()) * 60_000
}
