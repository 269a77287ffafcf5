// What must happen at once in Redis, as Lua. A version of a row is told by its bytes, or by their SHA-1, so that what
// Python writes in between is another version too; nobody gains from making two of their own rows look alike.

import { hash } from 'node:crypto'
import type { RedisArgument, RedisLink } from './redis-link.js'

export interface Script {
  readonly source: string
  readonly digest: string
}

function script(source: string): Script {
  return { source, digest: hash('sha1', source, 'hex') }
}

/** KEYS: the row. Answers it and its PTTL; null when there is none. Costs a client half of what GET and PTTL cost. */
export const loadScript = script(`
local row = redis.call('GET', KEYS[1])
return row and { row, redis.call('PTTL', KEYS[1]) }
`)

const REPLACE = `local function replace(key, span, row, expected, digested)
  local old = call('GET', key)
  if type(old) ~= 'string' then
    return old or 0, 0
  end
  if (digested and redis.sha1hex(old) or old) ~= expected then
    return old, call('PTTL', key)
  end
  local done
  if span == '' then
    done = call('SET', key, row)
  elseif span ~= '0' then
    done = call('SET', key, row, 'PX', span)
  else
    done = call('DEL', key)
  end
  return type(done) == 'table' and done.err and done or 1, 0
end`

/** KEYS: the row. ARGV: S or H, milliseconds to live, the new row, what is expected. Answers as `rowsScript` does for one. */
export const replaceScript = script(`
local call = redis.pcall

${REPLACE}

local first, second = replace(KEYS[1], ARGV[2], ARGV[3], ARGV[4], ARGV[1] == 'H')
return type(first) == 'table' and first or { first, second }
`)

/**
 * KEYS: rows, one may come several times; each has its task, and they are done in order. One that fails hurts no other.
 * ARGV: nothing when all are to be loaded; else a task for each row, and then the bytes that tasks come with, joined.
 *
 * A task is a letter, the milliseconds to live ('': for ever), the length of the new row and that of what is expected:
 * L load; D delete; T touch; A set aside, and let it live there; I insert; S replace the row that is expected; H replace
 * the row whose SHA-1 is expected.
 *
 * Answers two values for each. The first is a row, false when there is none, 1 when it is done, 0 when the row is gone,
 * or an array of what went wrong. The second is the PTTL of a row. That of a replica is the only error for all: clients
 * look for the primary then.
 */
export const rowsScript = script(`
local call = redis.pcall

local joined, at = ARGV[#KEYS + 1], 0
local function take(length)
  at = at + length
  return string.sub(joined, at - length + 1, at)
end

local function load(key)
  local row = call('GET', key)
  return row, type(row) == 'string' and call('PTTL', key) or 0
end

local function insert(key, span, row)
  local done
  if span == '' then
    done = call('SET', key, row, 'NX')
  elseif span ~= '0' then
    done = call('SET', key, row, 'NX', 'PX', span)
  else
    done = call('EXISTS', key) == 0
  end
  if not done then
    return load(key)
  end
  return type(done) == 'table' and done.err and done or 1, 0
end

${REPLACE}

local function touch(key, span)
  if span ~= '' then
    return call('PEXPIRE', key, span)
  end
  local done = call('PERSIST', key)
  return done == 0 and call('EXISTS', key) or done
end

-- The name is made here, where also what a client puts in front of keys is known. In a cluster both must be on one
-- server, which is told by what stands in braces.
local function setAside(key, span)
  local aside = string.find(key, '{', 1, true) and key .. ':corrupt' or '{' .. key .. '}:corrupt'
  if call('EXISTS', key) == 0 then
    return 0
  end
  local done = call('RENAME', key, aside)
  return done.err and done or call('PEXPIRE', aside, span)
end

local answers = {}
for i, key in ipairs(KEYS) do
  local first, second = false, 0
  local task = ARGV[i] or 'L'
  if task == 'L' then
    first, second = load(key)
  else
    local kind, span, size, known = string.match(task, '^(%a)(%d*) ?(%d*) ?(%d*)$')
    if kind == 'D' then
      first = call('DEL', key)
    elseif kind == 'T' then
      first = touch(key, span)
    elseif kind == 'A' then
      first = setAside(key, span)
    else
      local row = take(tonumber(size))
      if kind == 'I' then
        first, second = insert(key, span, row)
      else
        first, second = replace(key, span, row, take(tonumber(known)), kind == 'H')
      end
    end
  end
  if type(first) == 'table' then
    -- Before Redis 7 the place in the script stands in front of it.
    if string.find(first.err, 'READONLY ', 1, true) then
      return first
    end
    first = { first.err }
  end
  answers[2 * i - 1] = first
  answers[2 * i] = second
end
return answers
`)

/** KEYS: names that nobody uses. Leaves ARGV[1] in each for a moment. */
export const probeScript = script(`
for _, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[1], 'PX', 10000)
end
`)

/** The SHA-1 of a row, as `redis.sha1hex` has it. */
export function digestOf(row: Uint8Array): string {
  return hash('sha1', row, 'hex')
}

/**
 * Runs a script by its digest; sends it along when the server doesn't have it, as after a restart. The keys are on one
 * server, in a cluster in one slot.
 */
export function runScript(
  link: RedisLink,
  { source, digest }: Script,
  keys: readonly [string, ...string[]],
  args: readonly RedisArgument[],
): Promise<unknown> {
  const command = ['EVALSHA', digest, String(keys.length), ...keys, ...args]
  return link.send(keys[0], command).catch((error: unknown) => {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return link.send(keys[0], ['EVAL', source, ...command.slice(2)])
  })
}
