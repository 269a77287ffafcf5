// User code: importing a file or a package's file, and taking an export out of it by name.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../config/errors.js'
import { nearest, offer } from '../config/suggest.js'
import { unlessStalled } from './stall.js'

export type Module = Readonly<Record<string, unknown>>

/**
 * Imports a file. Throws ConfigError (without a place): not there, TypeScript on a Node that can't run it, or whatever
 * the module throws while it is loaded. `label` is how the user named it.
 */
export async function importFile(path: string, label: string): Promise<Module> {
  if (!existsSync(path))
    throw new ConfigError('missing', `${label}: there is no file ${path}.${similar(path)}`)
  if (statSync(path).isDirectory())
    throw new ConfigError('missing', `${label}: ${path} is a directory, expected a module`)
  try {
    const module = import(pathToFileURL(path).href) as Promise<Module>
    const stalled = () => new ConfigError('factory', `${label} waits at its top level for what never comes`)
    return asWritten(await unlessStalled(module, stalled))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if (/^\.[cm]?ts$/.test(extname(path)) && codeOf(error) === 'ERR_UNKNOWN_FILE_EXTENSION') {
      const reason = `${label}: this Node (${process.version}) can't run TypeScript. Node 22.18 and later can`
      throw new ConfigError('factory', reason, undefined, { cause: error })
    }
    throw new ConfigError('factory', `${label} threw while it was loaded: ${sentence(error)}`, undefined, {
      cause: error,
    })
  }
}

/** Node shows what a compiler made of `export default` for CommonJS as the default of a default: the inner one is meant. */
function asWritten(module: Module): Module {
  const inner = Object(module.default) as Module
  return inner.__esModule === true && 'default' in inner ? inner : module
}

/** `Name: message`, or the thrown value when it is no error. */
export function sentence(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/**
 * Takes an export by its name, dots reaching into objects (`SimpleApp.make`, called with its object as `this`). What a
 * CommonJS module exports may hide in `default`. Throws ConfigError that lists what there is.
 */
export function pickExport(module: Module, name: string, label: string): unknown {
  let holder: unknown
  let value: unknown = module
  for (const [index, part] of name.split('.').entries()) {
    holder = index === 0 && !has(module, part) && has(module.default, part) ? module.default : value
    if (!has(holder, part)) {
      const offered = index === 0 ? exportNames(module) : Object.keys(Object(holder))
      throw new ConfigError('missing', `${label} exports no ${JSON.stringify(name)}.${offer(part, offered)}`)
    }
    value = (holder as Module)[part]
  }
  const method = typeof value === 'function' && holder !== module && holder !== module.default
  return method ? (...args: unknown[]) => Reflect.apply(value as () => unknown, holder, args) : value
}

/** Exports that nobody wrote: Node adds the one, compilers the other. */
const MADE_BY_TOOLS = new Set(['module.exports', '__esModule'])

/** What a module offers, `default` and the keys of a default object included. */
export function exportNames(module: Module): string[] {
  const inner = module.default
  const innerNames = typeof inner === 'object' && inner !== null ? Object.keys(inner) : []
  return [...new Set([...Object.keys(module), ...innerNames])].filter((name) => !MADE_BY_TOOLS.has(name))
}

/** Whether there is such a property that somebody put there: not one that every object or function has. */
function has(table: unknown, name: string): boolean {
  if ((typeof table !== 'object' && typeof table !== 'function') || table === null) return false
  if (Object.hasOwn(table, name)) return true
  const everybodys = (name in Object.prototype || name in Function.prototype) && name !== 'default'
  return !everybodys && name in table
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

function similar(path: string): string {
  try {
    const near = nearest(basename(path), readdirSync(dirname(path)))
    return near === undefined ? '' : ` Did you mean "${near}"?`
  } catch {
    return ''
  }
}
