// The process of a peer: what the bench told it, and how it says where it is.

import { readFileSync } from 'node:fs'

const [, , given = '{}'] = process.argv

/** The bench's only argument, or what is in the file `@path`: `{ store, location, data }` for sessions. */
export const settings = JSON.parse(given.startsWith('@') ? readFileSync(given.slice(1), 'utf8') : given)

// A profile is written at the end of a process that ends by itself.
process.once('SIGTERM', () => process.exit())

/** Listens on any free port and says so on stdout, as `sessd serve` does. */
export function listen(server) {
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
}
