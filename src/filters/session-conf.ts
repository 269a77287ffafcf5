// The filter's section of an INI: Beaker's prefixes, its rule which store is meant, and the settings of that store.

import { join } from 'node:path'
import { OptionError } from '../config/errors.js'
import { type OptionTable, readOptions } from '../config/options.js'
import type { Conf } from '../protocol.js'
import { systemClock } from '../session/clock.js'
import type { SessionStore } from '../session/store.js'
import { options, type SessionOptions } from './session-options.js'
import type { StoreContext } from './session-store-type.js'
import { allStoreSettings, findStoreType, isTypeName } from './session-stores.js'

const PREFIXES = ['beaker.session.', 'session.']

export interface SessionConf {
  readonly given: SessionOptions
  /** undefined: the filter makes it (memory, file), or there is none (cookie). */
  readonly store: SessionStore | undefined
}

/** Settings with a prefix may also stand in [DEFAULT]. Rejects with OptionError, also when the store's place is no good. */
export async function readSessionConf(globalConf: Conf, localConf: Conf): Promise<SessionConf> {
  const type = findType(globalConf, localConf)
  const hasStore = type !== undefined && type !== 'cookie' && isTypeName(type)
  const storeType = hasStore ? await findStoreType(type) : undefined
  const table: OptionTable = { ...options, ...storeType?.options }
  const others = await settingsOfOthers(localConf, table)
  const read = readOptions(table, localConf, {
    prefixes: PREFIXES,
    inherited: globalConf,
    ignore: (key) => others.has(key) || isElsewhere(bare(key)),
  }) as SessionOptions & Readonly<Record<string, unknown>>
  const cacheDir = localConf.cache_dir ?? globalConf.cache_dir
  const dataDir = read.data_dir ?? (cacheDir && join(cacheDir, 'sessions'))
  const given: SessionOptions = { ...read, data_dir: dataDir }
  const context = contextOf(given, globalConf, localConf)
  const store = await storeType?.open({ ...read, data_dir: dataDir }, context)
  return { given, store }
}

/** Beaker's rule: a directory means files. */
function findType(globalConf: Conf, localConf: Conf): string | undefined {
  const find = (name: string, conf: Conf, prefixes: readonly string[]) =>
    prefixes.map((prefix) => conf[prefix + name]).find((text) => text !== undefined)
  const look = (name: string) => find(name, localConf, ['', ...PREFIXES]) ?? find(name, globalConf, PREFIXES)
  const type = look('type')?.trim()
  if (type !== undefined) return type
  const hasDirectory = look('data_dir') ?? look('file_dir') ?? localConf.cache_dir ?? globalConf.cache_dir
  return hasDirectory === undefined ? undefined : 'file'
}

/** Keys of the section that other stores know: ignored, and said to be. What no store knows is left to readOptions. */
async function settingsOfOthers(localConf: Conf, table: OptionTable): Promise<ReadonlySet<string>> {
  const aliases = Object.values(table).flatMap((option) => option.aliases ?? [])
  const unknown = [...localConf]
    .map(([key]) => key)
    .filter((key) => {
      const name = bare(key)
      return !Object.hasOwn(table, name) && !aliases.includes(name) && !isElsewhere(name)
    })
  if (unknown.length === 0) return new Set()
  const all = await allStoreSettings()
  const others = unknown.filter((key) => all.has(bare(key)))
  for (const key of others) {
    const message = `${key} is ignored: it belongs to another type of store than this one`
    process.emitWarning(message, { type: 'SessdWarning', code: 'SESSD_IGNORED' })
  }
  return new Set(others)
}

/** The same error about the key as the section has it: with the other prefix, or with none. */
export function asWritten(error: OptionError, localConf: Conf): OptionError {
  const name = bare(error.key)
  const key = [error.key, ...PREFIXES.map((prefix) => prefix + name), name].find((key) => key in localConf)
  return key === undefined || key === error.key ? error : new OptionError(key, error.reason, { cause: error })
}

function bare(key: string): string {
  const prefix = PREFIXES.find((candidate) => key.startsWith(candidate)) ?? ''
  return key.slice(prefix.length)
}

/** Beaker's cache, Pylons' directory, and what the constructor of an express-session store gets. */
function isElsewhere(name: string): boolean {
  return /^(beaker\.cache|cache|express)\./.test(name) || name === 'cache_dir'
}

function contextOf(given: SessionOptions, globalConf: Conf, localConf: Conf): StoreContext {
  const express: Record<string, string | number | boolean> = {}
  for (const [key, text] of localConf) {
    const name = bare(key)
    if (name.startsWith('express.')) express[name.slice('express.'.length)] = typed(text)
  }
  return {
    format: given.format,
    lifetime: given.timeout === undefined ? null : given.timeout * 1000,
    timeout: given.store_timeout * 1000,
    clock: systemClock,
    directory: globalConf.here ?? process.cwd(),
    express,
  }
}

/** Constructors want numbers and booleans where INI files have text. */
function typed(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
