// What must happen at once in Redis, as Lua. A version of a row is told by the SHA-1 of its bytes, so that what Python
// writes in between is another version too; nobody gains from making two of their own rows look alike.

import { hash } from 'node:crypto'
import type { RedisArgument, RedisLink } from './redis-link.js'

export interface Script {
  readonly source: string
  readonly digest: string
}

function script(source: string): Script {
  return { source, digest: hash('sha1', source, 'hex') }
}

/** KEYS: the row. Answers it and its PTTL; null when there is none. One script costs a client half of what GET and PTTL cost. */
export const loadScript = script(`
local row = redis.call('GET', KEYS[1])
return row and { row, redis.call('PTTL', KEYS[1]) }
`)

/**
 * KEYS: the row. ARGV: digest of the version to replace, or '' to insert; milliseconds to live, or ''; the new row.
 * Answers 1 when it is stored, 0 when the row is gone, and the row and its PTTL when it is another version.
 */
export const saveScript = script(`
local row = redis.call('GET', KEYS[1])
if row then
  if ARGV[1] == '' or redis.sha1hex(row) ~= ARGV[1] then
    return { row, redis.call('PTTL', KEYS[1]) }
  end
elseif ARGV[1] ~= '' then
  return 0
end
if ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
elseif tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
elseif row then
  redis.call('DEL', KEYS[1])
end
return 1
`)

/**
 * KEYS: the row. ARGV: milliseconds to live out of the way. The new name is made here, where also what a client puts in
 * front of keys is known: in a cluster both must be on one server, which is told by what stands in braces.
 */
export const setAsideScript = script(`
local aside = KEYS[1] .. ':corrupt'
if not string.find(KEYS[1], '{', 1, true) then
  aside = '{' .. KEYS[1] .. '}:corrupt'
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], aside)
  redis.call('PEXPIRE', aside, ARGV[1])
end
return 1
`)

/** The digest of a version, as `redis.sha1hex` has it. */
export function digestOf(row: Uint8Array): string {
  return hash('sha1', row, 'hex')
}

/**
 * Runs a script by its digest, and reads what it answers; sends it along when the server doesn't have it, as after a
 * restart. No async function: a request waits for two of these, and each layer of promises costs it half a microsecond.
 */
export function runScript<R>(
  link: RedisLink,
  { source, digest }: Script,
  [key, ...args]: readonly [string, ...RedisArgument[]],
  read: (answer: unknown) => R,
): Promise<R> {
  return link.send(key, ['EVALSHA', digest, '1', key, ...args]).then(read, (error: unknown) => {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return link.send(key, ['EVAL', source, '1', key, ...args]).then(read)
  })
}
