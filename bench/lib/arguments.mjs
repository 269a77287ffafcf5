// The arguments that all benches take, and where their results go.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

const common = {
  windows: { type: 'string' },
  seconds: { type: 'string' },
  connections: { type: 'string' },
  quick: { type: 'boolean', default: false },
  md: { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
}

const HELP = `
  --windows N        windows of load per server and workload; default 9
  --seconds S        length of a window; default 0.5
  --connections N    connections of the load, each with one request under way; default DEFAULT
  --quick            3 windows of 0.2 seconds
  --md FILE          writes the tables as Markdown
  --json FILE        writes everything as JSON
`

/**
 * Reads argv. `given` is what was written, `how` says how to measure: `{ windows, milliseconds, connections }`. Prints the
 * help, or the mistake, and ends the process where that is all there is to do.
 */
export function readArguments(usage, options = {}, { connections = 32 } = {}) {
  let given
  try {
    given = parseArgs({ options: { ...common, ...options } }).values
  } catch (error) {
    leave(error.message)
  }
  if (given.help) {
    console.log(usage.trimEnd() + HELP.replace('DEFAULT', connections))
    process.exit()
  }
  const number = (name, fallback) => {
    const value = Number(given[name] ?? fallback)
    if (value > 0) return value
    return leave(`--${name}: expected a number above 0, got ${given[name]}`)
  }
  const how = {
    windows: Math.ceil(number('windows', given.quick ? 3 : 9)),
    milliseconds: number('seconds', given.quick ? 0.2 : 0.5) * 1000,
    connections: Math.ceil(number('connections', connections)),
  }
  return { given, how }
}

/** The words of a list, each of which must be one of `names`; ends the process with a sentence where one is not. */
export function readList(text, names, option) {
  const words = text.split(',').filter(Boolean)
  const stranger = words.find((word) => !names.includes(word))
  if (stranger !== undefined) leave(`--${option}: there is no ${stranger}; there are ${names.join(', ')}`)
  return words
}

/** Ends the process for a mistake in its arguments. */
export function leave(message) {
  console.error(message)
  process.exit(2)
}

/** Prints the Markdown, and writes what was asked for. */
export function report({ md, json }, result, text) {
  console.log(text)
  if (md !== undefined) write(md, `${text}\n`)
  if (json !== undefined) write(json, `${JSON.stringify(result, null, 2)}\n`)
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** A directory that goes with this process. */
export function makeDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** How far it is: on stderr, so that stdout is the report alone. */
export function progress(text) {
  process.stderr.write(text)
}
