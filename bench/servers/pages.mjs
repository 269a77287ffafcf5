// What every server of the bench says: the same four pages with the same bodies.
//
//   /app/plain   a session is installed, and nobody asks for it
//   /app/read    one key of the session
//   /app/count   read, change and save: answers the new number
//   /app/new     puts `settings.data` into a session and saves it; the bench comes without a cookie
//   /app/unique  as `new`, with strings that no other session has
//   /app/heap    what V8 holds, with --expose-gc
//
// The last two are for bench/memory.mjs, in the servers that keep sessions in memory.

/** Who the session belongs to; `nobody` when there is none. */
export const USER = 'maria.example'
export const NOBODY = 'nobody'
export const HELLO = 'Hello, world!'
export const MADE = 'made'

export const SECRET = 'the bench needs no secret of its own, but 32 characters'

/** A small text, with the two headers that all servers send. */
export function answer(res, text) {
  res.setHeader('content-type', 'text/plain')
  res.setHeader('content-length', text.length)
  res.end(text)
}

/** Makes data that shares no string with any other: its text read anew, with a number of its own in `fill`. */
export function uniqueData(data) {
  const text = JSON.stringify(data)
  let made = 0
  return () => {
    const own = JSON.parse(text)
    own.fill = `${String(made++).padStart(8, '0')}${own.fill.slice(8)}`
    // One flat string: a rope of pieces would be counted too.
    own.fill = Buffer.from(own.fill).latin1Slice()
    return own
  }
}

/** Memory after a collection, as JSON. */
export function heap() {
  globalThis.gc()
  globalThis.gc()
  return JSON.stringify(process.memoryUsage())
}
