// pino, where [logging] asks for it: imported then and only then. Which records are written is ours to say, so that
// levels mean the same whoever writes; how they look is pino's.

import { ConfigError } from '../config/errors.js'
import { type LoggingPlan, thresholds } from '../config/logging/plan.js'
import type { Level, LogRecord } from '../config/logging/record.js'
import type { Logging } from '../config/logging.js'
import { importFile, type Module, pickExport } from './modules.js'
import { findPackage, resolveExport } from './packages.js'
import { parseUri, pathOf } from './uri.js'

/** What of a pino logger is used. */
export interface PinoLogger extends Readonly<Record<Level, (fields: object, message: string) => void>> {
  child(bindings: object, options: object): PinoLogger
  /** Calls back when all is written that was logged so far. */
  flush?(done: () => void): void
}

interface PinoPackage {
  (options: object, destination: unknown): PinoLogger
  destination(options: { readonly fd: number; readonly sync: boolean }): unknown
}

/**
 * The logger that `use` names: `pino`, or `file:./log.js#log`. Packages are looked for from each of `directories`, and a
 * file is relative to the first. Rejects with ConfigError without a place.
 */
export async function openPino(use: string, directories: readonly string[]): Promise<PinoLogger> {
  if (use !== 'pino') return pickLogger(use, directories[0]!)
  const make = await importPino(directories)
  // Nothing is lost when the process ends at once: each record is written before the call is over.
  return make({ level: 'trace' }, make.destination({ fd: process.stderr.fd, sync: true }))
}

async function pickLogger(use: string, directory: string): Promise<PinoLogger> {
  const uri = parseUri(use)
  const path = pathOf(uri, directory)
  const module = await importFile(path, use)
  const found = pickExport(module, uri.fragment ?? 'default', use)
  if (isPinoLogger(found)) return found
  throw new ConfigError('option', `expected a logger of pino, and ${use} is none`)
}

function isPinoLogger(value: unknown): value is PinoLogger {
  const { child, info } = Object(value) as Record<string, unknown>
  return typeof child === 'function' && typeof info === 'function'
}

async function importPino(directories: readonly string[]): Promise<PinoPackage> {
  for (const directory of directories) {
    const found = findPackage('pino', directory)
    const file = found && resolveExport(found, '.')
    if (file === undefined) continue
    const module: Module = await importFile(file, 'pino')
    return (module.pino ?? module.default) as PinoPackage
  }
  throw new ConfigError('missing', 'pino is not installed: npm install pino')
}

/** Hands records to pino, each logger's name bound to a child of its own. */
export function pinoLogging(
  pino: PinoLogger,
  plan: LoggingPlan,
  worker: number | undefined,
): Logging & { flush(): Promise<void> } {
  const children = new Map<string, PinoLogger>()
  const childOf = (name: string): PinoLogger => {
    let child = children.get(name)
    if (child === undefined) {
      const bindings = { name, ...(worker !== undefined && { worker }) }
      // Errors are plain values already.
      child = pino.child(bindings, { level: 'trace', serializers: { err: (err: unknown) => err } })
      children.set(name, child)
    }
    return child
  }
  return {
    threshold: thresholds(plan),
    write({ name, level, msg, requestId, fields, err }: LogRecord) {
      childOf(name)[level](
        { ...(requestId !== undefined && { request_id: requestId }), ...fields, ...(err && { err }) },
        msg,
      )
    },
    flush: () => new Promise((done) => (pino.flush === undefined ? done() : pino.flush(() => done()))),
  }
}
