// How a file says that its service logs: [logging], else Python's [loggers]. Only the file that is named counts, none
// that it uses: as with Paste, what a deployment logs is said in the file that is deployed.

import { styleText } from 'node:util'
import { ConfigError, type OptionError } from '../config/errors.js'
import { FIELD_NAMES } from '../config/logging/pattern.js'
import { type LoggingPlan, linesTo } from '../config/logging/plan.js'
import { type PythonSections, readPythonLogging } from '../config/logging/python.js'
import { readLoggingSettings } from '../config/logging/settings.js'
import { type Logging, useLogging } from '../config/logging.js'
import { Issues, withPlace } from './issues.js'
import type { ConfigFile, ConfigWarning, LoggingHow, LoggingSetup, Section } from './model.js'
import { openPino, type PinoLogger, pinoLogging } from './pino.js'
import { FileScope, type Surrounding } from './scope.js'
import { readSection, toConf } from './settings.js'
import { warning } from './warning.js'

export { options } from '../config/logging/settings.js'

/**
 * What the file says, nothing of it in force; undefined when it says nothing. Mistakes of [logging] are reported;
 * Python's sections, which Paste Deploy does not look at, have warnings alone.
 */
export async function readLogging(
  file: ConfigFile,
  surrounding: Surrounding,
): Promise<LoggingSetup | undefined> {
  const section = file.sections.get('logging')
  if (section !== undefined) {
    return readOwn(new FileScope(file, undefined, surrounding), section, surrounding.issues)
  }
  if (!file.sections.has('loggers')) return undefined
  const warnings: ConfigWarning[] = []
  const plan = readPythonLogging(pythonSections(file, surrounding, (one) => warnings.push(one)))
  warnings.sort((a, b) => (a.place.line ?? 0) - (b.place.line ?? 0))
  for (const one of warnings) surrounding.issues.warn(one)
  return setup(plan, 'python', undefined)
}

async function readOwn(
  scope: FileScope,
  section: Section,
  issues: Issues,
): Promise<LoggingSetup | undefined> {
  const { locals } = readSection(scope, withPlainFormat(section), undefined)
  const place = { file: scope.file.path, line: section.line, section: section.title }
  const placed = ({ key, reason }: OptionError) =>
    new ConfigError('option', reason, { ...(locals.get(key)?.place ?? place), key })
  try {
    const settings = readLoggingSettings(toConf(locals))
    const { use } = settings
    const at = locals.get('use')?.place
    const pino =
      use &&
      (await openPino(use, [scope.directory, import.meta.dirname]).catch((error: unknown) => {
        throw withPlace(error, at)
      }))
    return setup(settings, 'sessd', pino || undefined)
  } catch (error) {
    const all = (error instanceof AggregateError ? error.errors : [error]) as Error[]
    for (const one of all) issues.report(one.name === 'OptionError' ? placed(one as OptionError) : one)
    return undefined
  }
}

/** A pattern may be written as Python's are, with a single `%`: its words are no names of settings then. */
function withPlainFormat(section: Section): Section {
  const format = section.entries.get('format')
  const named = [...(format?.value ?? '').matchAll(/(?<!%)%\((\w+)\)/g)].some(([, name]) =>
    FIELD_NAMES.includes(name!),
  )
  if (format === undefined || !named) return section
  const escaped = { ...format, value: format.value.replaceAll('%', '%%') }
  return { ...section, entries: new Map([...section.entries, ['format', escaped]]) }
}

function setup(
  plan: LoggingPlan,
  source: LoggingSetup['source'],
  pino: PinoLogger | undefined,
): LoggingSetup {
  return {
    source,
    isJson: pino !== undefined || plan.formats.get('') === 'json',
    apply(how = {}) {
      const logging = pino === undefined ? linesTo(outputOf(how), plan) : pinoLogging(pino, plan, how.worker)
      const before = useLogging(logging)
      return async () => {
        useLogging(before)
        await (logging as Logging & { flush?(): Promise<void> }).flush?.()
      }
    },
  }
}

function outputOf({ write, color, worker }: LoggingHow) {
  const { stderr } = process
  return {
    write: write ?? ((text: string) => void stderr.write(text)),
    color: color ?? styleText('bold', 'x', { stream: stderr, validateStream: true }) !== 'x',
    worker,
  }
}

function pythonSections(
  file: ConfigFile,
  surrounding: Surrounding,
  onWarning: (warning: ConfigWarning) => void,
): PythonSections {
  const scope = new FileScope(file, undefined, { ...surrounding, issues: new Issues(false) })
  const entryOf = (title: string, key: string) =>
    file.sections.get(title)?.entries.get(key) ?? file.defaults.get(key)
  const warn = (title: string, key: string | undefined, reason: string) => {
    const line = (key === undefined ? undefined : entryOf(title, key)?.line) ?? file.sections.get(title)?.line
    onWarning(warning(reason, { file: file.path, line, section: title, key }))
  }
  return {
    has: (title) => file.sections.has(title),
    text(title, key) {
      try {
        return scope.evaluator(file.sections.get(title))(key)?.text
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        warn(title, key, `${error.reason} This line is left out`)
        return undefined
      }
    },
    raw: (title, key) => entryOf(title, key)?.value,
    warn,
  }
}
