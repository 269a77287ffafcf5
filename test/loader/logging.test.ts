// How a file says that its service logs: [logging], and Python's sections.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Level, logger, useLogging } from '../../src/config/logging.js'
import { openPino, type PinoLogger, pinoLogging } from '../../src/loader/pino.js'
import { ConfigErrors, createLoader, setupLogging } from '../../src/loader.js'
import { run } from '../support/main.js'

const FIXTURES = join(import.meta.dirname, '../fixtures/paste-deploy')

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sessd-logging-'))
})
afterEach(() => {
  rmSync(cwd, { recursive: true })
  useLogging(undefined)
})

const APP = '[server:main]\nuse = egg:Paste#http\n[app:main]\nuse = egg:Paste#test\n'

function write(ini: string, name = 'app.ini'): string {
  writeFileSync(join(cwd, name), ini)
  return `config:${name}`
}

/** Puts a file's logging into force; answers the lines that are written. */
async function setUp(
  ini: string,
  more: {
    worker?: number
    color?: boolean
    globalConf?: Record<string, string>
    env?: NodeJS.ProcessEnv
  } = {},
) {
  const lines: string[] = []
  const putBack = await setupLogging(write(ini), {
    relativeTo: cwd,
    write: (text) => lines.push(text),
    color: false,
    ...more,
  })
  return { lines, putBack }
}

async function mistakes(ini: string): Promise<string> {
  const error = await setUp(ini).then(
    () => undefined,
    (error: unknown) => error,
  )
  const all = error instanceof ConfigErrors ? error.errors : [error as Error]
  return all.map(({ message }) => message.replaceAll(`${cwd}/`, '')).join('\n')
}

/** The warnings of `check`, by line. */
async function warnings(ini: string): Promise<string[]> {
  write(APP + ini)
  const { stdout } = await run(['check', '--json', 'app.ini'], cwd)
  const { ok, warnings } = JSON.parse(stdout) as {
    ok: boolean
    warnings: { section: string; key: string; reason: string }[]
  }
  expect(ok).toBe(true)
  return warnings.map(({ section, key, reason }) => `[${section}] ${key}: ${reason}`)
}

/** The least level that loggers of this name write. */
function least(name: string): Level | 'off' {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
  return levels.find((level) => logger(name).isLevelEnabled(level)) ?? 'off'
}

describe('[logging]', () => {
  test('with nothing in it is text, from level info on', async () => {
    const { lines } = await setUp('[logging]\n')
    logger('a').info('hello')
    expect(least('a')).toBe('info')
    expect(lines).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO {5}\[a\] hello\n$/),
    ])
  })

  test.each([
    ['trace', 'trace'],
    ['debug', 'debug'],
    ['INFO', 'info'],
    ['warn', 'warn'],
    ['WARNING', 'warn'],
    ['error', 'error'],
    ['critical', 'fatal'],
    ['fatal', 'fatal'],
    ['off', 'off'],
    ['silent', 'off'],
  ])('understands the level %s', async (word, level) => {
    await setUp(`[logging]\nlevel = ${word}\n`)
    expect(least('any')).toBe(level)
  })

  test('has levels for names, and what stands before a dot is for all behind it', async () => {
    await setUp(
      '[logging]\nlevel = error\nlevel.sessd = info\nlevel.sessd.session = debug\nlevel.a.b.c = off\n',
    )
    expect(
      ['', 'x', 'sessd', 'sessd.proxy', 'sessd.session', 'sessd.session.store', 'sessdx'].map(least),
    ).toEqual([...['error', 'error', 'info', 'info', 'debug', 'debug', 'error']])
    expect(['a.b', 'a.b.c', 'a.b.c.d', 'a.b.cd'].map(least)).toEqual(['error', 'off', 'off', 'error'])
  })

  test('writes json, each worker with its number', async () => {
    const { lines } = await setUp('[logging]\nformat = json\n', { worker: 4 })
    logger('a').warn({ n: 1 }, 'hello')
    expect(JSON.parse(lines[0]!)).toEqual({
      ...{ time: expect.any(String) as string, level: 'warn', name: 'a', pid: process.pid },
      ...{ worker: 4, msg: 'hello', n: 1 },
    })
  })

  test('writes name and message alone, or what a pattern says', async () => {
    const { lines } = await setUp('[logging]\nformat = plain\n')
    logger('sessd.proxy').warn('hello')
    expect(lines).toEqual(['sessd: hello\n'])
    const { lines: more } = await setUp('[logging]\nformat = %%(levelname).1s %%(name)s %%(message)s\n')
    logger('a').warn('hello')
    expect(more).toEqual(['W a hello\n'])
    const single = await setUp('[logging]\nformat = 100%% %(levelname)-5.5s %(name)s %(message)s\n')
    logger('a').warn('hello')
    expect(single.lines).toEqual(['100% WARNI a hello\n'])
    const named = await setUp('[DEFAULT]\nlook = json\n[logging]\nformat = %(look)s\n')
    logger('a').warn('hello')
    expect(JSON.parse(named.lines[0]!)).toMatchObject({ msg: 'hello' })
  })

  test('takes values from outside and from the command line', async () => {
    await setUp(`[logging]\nlevel = \${env:LOG_LEVEL:-error}\n`, { env: { LOG_LEVEL: 'debug' } })
    expect(least('a')).toBe('debug')
    await setUp(`[logging]\nlevel = \${env:LOG_LEVEL:-error}\n`, { env: {} })
    expect(least('a')).toBe('error')
    await setUp('[logging]\nlevel = error\n', { globalConf: { level: 'trace' } })
    expect(least('a')).toBe('trace')
  })

  test('beats the sections of Python', async () => {
    await setUp(
      '[logging]\nlevel = error\n[loggers]\nkeys = root\n[logger_root]\nlevel = DEBUG\nhandlers = c\n',
    )
    expect(least('a')).toBe('error')
  })

  test('is put back to what was before', async () => {
    const first = await setUp('[logging]\nlevel = error\n')
    const second = await setUp('[logging]\nlevel = trace\n')
    await second.putBack()
    expect(least('a')).toBe('error')
    await first.putBack()
    expect(least('a')).toBe('info')
  })

  test('that is not there changes nothing', async () => {
    const { lines } = await setUp(APP)
    expect(await createLoader().logging('egg:Paste#test')).toBe(undefined)
    expect(lines).toEqual([])
    expect(least('a')).toBe('info')
  })

  test('of a file that is used does not count', async () => {
    write('[logging]\nlevel = off\n[app:x]\nuse = egg:Paste#test\n', 'base.ini')
    await setUp('[app:main]\nuse = config:base.ini#x\n')
    expect(least('a')).toBe('info')
  })
})

describe('a mistake in [logging] is told with its line:', () => {
  test.each([
    [
      'a setting that there is not',
      'levl = info',
      'app.ini:2: [logging] levl: no such setting. Did you mean "level"?',
    ],
    [
      'a level',
      'level = loud',
      'app.ini:2: [logging] level: expected trace, debug, info, warning (or warn), error, critical (or fatal) or off, got "loud"',
    ],
    [
      'the level of a name',
      'level.a = 10',
      'app.ini:2: [logging] level.a: expected trace, debug, info, warning (or warn), error, critical (or fatal) or off, got "10"',
    ],
    [
      'a name',
      'level. = info',
      'app.ini:2: [logging] level.: expected the name of a logger behind "level.", as in level.sessd.session',
    ],
    [
      'a format',
      'format = jsno',
      'app.ini:2: [logging] format: expected text, json, plain, or a pattern as in %(levelname)s %(message)s, got "jsno"',
    ],
    [
      'a pattern that tells nothing',
      'format = 100%%',
      'app.ini:2: [logging] format: expected text, json, plain, or a pattern as in %(levelname)s %(message)s, got "100%"',
    ],
    [
      'a name in a pattern',
      'format = %%(lineno)d',
      'app.ini:2: [logging] format: expected one of asctime, created, levelname, levelno, message, msecs, name, process, ' +
        'processName, relativeCreated, request_id, thread, threadName, got "lineno"',
    ],
    [
      'what writes',
      'use = winston',
      'app.ini:2: [logging] use: expected pino, or a module as in file:./log.js#log, got "winston"',
    ],
    [
      'a format beside pino',
      'use = pino\nformat = json',
      'app.ini:3: [logging] format: pino has formats of its own: remove this line, or use',
    ],
    [
      'a module that is not there',
      'use = file:./nope.js',
      /^app\.ini:2: \[logging\] use: file:\.\/nope\.js: there is no file .*nope\.js\.$/,
    ],
  ])('%s', async (_title, lines, expected) => {
    const text = await mistakes(`[logging]\n${lines}\n`)
    if (typeof expected === 'string') expect(text).toBe(expected)
    else expect(text).toMatch(expected)
  })

  test('by check, with all others', async () => {
    write(`${APP}[logging]\nlevl = info\nlevel.a = loud\nformat = y\nuse = z\n`)
    const { code, stderr } = await run(['check', 'app.ini'], cwd)
    expect(code).toBe(78)
    expect(
      [...stderr.matchAll(/^error: (app\.ini:\d): \[logging\] (\S+):/gm)].map(([, at, key]) => [at, key]),
    ).toEqual([
      ['app.ini:6', 'levl'],
      ['app.ini:7', 'level.a'],
      ['app.ini:8', 'format'],
      ['app.ini:9', 'use'],
      ['app.ini:8', 'format'],
    ])
  })
})

const GENERIC = '%(asctime)s %(levelname)-5.5s [%(name)s] %(message)s'

/** What Pylons and Pyramid write into every project. */
function python(more = '', root = 'INFO'): string {
  return `[loggers]\nkeys = root, myapp
[handlers]\nkeys = console
[formatters]\nkeys = generic
[logger_root]\nlevel = ${root}\nhandlers = console
[logger_myapp]\nlevel = DEBUG\nhandlers =\nqualname = myapp
[handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nlevel = NOTSET\nformatter = generic
[formatter_generic]\nformat = ${GENERIC}\n${more}`
}

describe("Python's sections", () => {
  test('give levels by qualname, and the format', async () => {
    const { lines } = await setUp(python())
    logger('myapp.models').debug('three rows')
    expect(['', 'other', 'sessd.app', 'myapp', 'myapp.models'].map(least)).toEqual([
      ...['info', 'info', 'info', 'debug', 'debug'],
    ])
    expect(lines).toEqual([
      expect.stringMatching(/^[\d-]{10} [\d:]{8},\d{3} DEBUG \[myapp\.models\] three rows\n$/),
    ])
    expect(await warnings(python())).toEqual([])
  })

  test.each(['pyramid-development', 'pylons-deployment'])('of %s load as they are', async (name) => {
    const { lines } = await setUp(readFileSync(join(FIXTURES, name, 'input.ini'), 'utf8'))
    logger('a').error('told')
    expect(lines).toHaveLength(1)
  })

  test('write what Node does not know as a dash, and check says so', async () => {
    const ini = python().replace('[%(name)s]', '[%(name)s:%(lineno)s][%(threadName)s %(module)s]')
    const { lines } = await setUp(ini)
    logger('a').info('x')
    expect(lines[0]).toMatch(/ INFO {2}\[a:-\]\[MainThread -\] x\n$/)
    expect(await warnings(ini)).toEqual([
      '[formatter_generic] format: %(lineno)s and %(module)s are not known here: "-" is written',
    ])
  })

  test('that write into a file have it on stderr, and check says so', async () => {
    const ini = `${python()
      .replace('keys = console', 'keys = console, file')
      .replace('root, myapp', 'root, myapp, wsgi')}
[logger_wsgi]\nlevel = INFO\nhandlers = file\nqualname = wsgi\npropagate = 0
[handler_file]\nclass = FileHandler\nargs = ('%(here)s/access.log', 'a')\nlevel = INFO\n`
    const { lines } = await setUp(ini)
    logger('wsgi').info('GET /')
    expect(lines).toEqual(['GET /\n'])
    expect(await warnings(ini)).toEqual([
      '[handler_file] class: expected StreamHandler, got "FileHandler": what it is for goes to stderr, and nowhere else',
    ])
  })

  test.each([
    ['a level of the handler', python().replace('NOTSET', 'ERROR'), ['error', 'error']],
    ['NOTSET at the root', python('', 'NOTSET'), ['trace', 'debug']],
    ['no level at the root', python().replace('level = INFO\n', ''), ['warn', 'debug']],
    [
      'no propagation, and so no handler',
      python('propagate = 0\n').replace(/(qualname = myapp)/, '$1\npropagate = 0'),
      ['info', 'warn'],
    ],
    ['a handler for nothing', python().replace('StreamHandler', 'NullHandler'), ['off', 'off']],
    ['no section but the list', '[loggers]\nkeys = root\n', ['warn', 'warn']],
    [
      'levels by %(name)s',
      python('', '%(lvl)s').replace('[logger_root]', '[logger_root]\nlvl = ERROR'),
      ['error', 'debug'],
    ],
  ])('mean what they mean in Python: %s', async (_title, ini, expected) => {
    await setUp(ini)
    expect([least('other'), least('myapp')]).toEqual(expected)
  })

  test('take a formatter for JSON by its class, and dates by datefmt', async () => {
    const asJson = python('class = pythonjsonlogger.jsonlogger.JsonFormatter\n')
    const { lines } = await setUp(asJson)
    logger('a').info('x')
    expect(JSON.parse(lines[0]!)).toMatchObject({ name: 'a', msg: 'x' })
    const dated = await setUp(python('datefmt = %Y!\n'))
    logger('a').info('x')
    expect(dated.lines[0]).toMatch(/^\d{4}! INFO {2}\[a\] x\n$/)
  })

  test.each([
    [
      'a level',
      python('', 'LOUD'),
      '[logger_root] level: expected DEBUG, INFO, WARNING, ERROR, CRITICAL or NOTSET, got "LOUD", which is left out',
    ],
    [
      'a value that can not be worked out',
      python('', '%(nope)s'),
      /^\[logger_root\] level: %\(nope\)s: there is no "nope" in \[logger_root\] and \[DEFAULT\]\..* This line is left out$/,
    ],
    [
      'a section that is missing',
      python().replace('root, myapp', 'root, myapp, other'),
      '[loggers] keys: there is no [logger_other]',
    ],
    [
      'a handler that is missing',
      python().replace('handlers = console', 'handlers = consol'),
      '[logger_root] handlers: [handlers] keys has no "consol"',
    ],
    [
      'a formatter that is missing',
      python().replace('formatter = generic', 'formatter = gen'),
      '[handler_console] formatter: [formatters] keys has no "gen"',
    ],
    [
      'a logger without a name',
      python().replace('qualname = myapp\n', ''),
      '[logger_myapp] null: expected a qualname; myapp is taken for it',
    ],
    [
      'stdout',
      python().replace('sys.stderr', 'sys.stdout'),
      '[handler_console] args: lines go to stderr, stdout is not taken',
    ],
    [
      'a style',
      python('style = {\n'),
      '[formatter_generic] style: expected %, got "{", so lines look as by format = text of [logging]',
    ],
    [
      'a pattern',
      python().replace(GENERIC, '%(name)q'),
      '[formatter_generic] format: expected a pattern as in %(levelname)s %(message)s, got "%(name)q", so lines look as by format = text of [logging]',
    ],
    [
      'a date',
      python('datefmt = %Q\n'),
      '[formatter_generic] datefmt: %Q is not known here, and kept as written',
    ],
  ])('are never an error; check warns of %s', async (_title, ini, expected) => {
    await setUp(ini)
    const found = await warnings(ini)
    expect(found).toEqual([typeof expected === 'string' ? expected : expect.stringMatching(expected)])
  })
})

describe('pino', () => {
  /** A package of the project's own, which keeps what it is told. */
  function stub(): void {
    const directory = join(cwd, 'node_modules/pino')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'package.json'), '{ "name": "pino", "main": "pino.js" }')
    writeFileSync(
      join(directory, 'pino.js'),
      `globalThis.told = []
      const make = (bound) => Object.fromEntries([
        ['child', (more) => make({ ...bound, ...more })],
        ...['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) =>
          [level, (fields, msg) => globalThis.told.push({ ...bound, level, fields, msg })]),
      ])
      module.exports = (options, destination) => make({ options, destination })
      module.exports.destination = (how) => how`,
    )
  }

  test('of the project gets the records, with their names, to stderr', async () => {
    stub()
    await setUp('[logging]\nuse = pino\nlevel.quiet = off\n', { worker: 2 })
    logger('a').warn({ n: 1 }, 'x')
    logger('a').debug('x')
    logger('quiet').fatal('x')
    expect((globalThis as { told?: unknown }).told).toEqual([
      {
        ...{ options: { level: 'trace' }, destination: { fd: 2, sync: true } },
        ...{
          name: 'a',
          worker: 2,
          level: 'warn',
          msg: 'x',
          fields: Object.assign(Object.create(null), { n: 1 }),
        },
      },
    ])
  })

  test('that a module exports writes as it is set up there', async () => {
    write('export const lines = []', 'lines.mjs')
    const from = JSON.stringify(import.meta.resolve('pino'))
    write(
      `import pino from ${from}
      import { lines } from './lines.mjs'
      export const log = pino({ level: 'error', base: null, timestamp: false }, { write: (line) => lines.push(line) })`,
      'log.mjs',
    )
    await setUp('[logging]\nuse = file:./log.mjs#log\nlevel = debug\n')
    const { lines } = (await import(join(cwd, 'lines.mjs'))) as { lines: string[] }
    logger('a.b').debug({ n: 1, err: new TypeError('bad') }, 'x')
    const [{ err, ...line }] = lines.map((text) => JSON.parse(text)) as [
      { err: { type: string; stack: string } },
    ]
    expect(line).toEqual({ level: 20, name: 'a.b', n: 1, msg: 'x' })
    expect(err).toMatchObject({ type: 'TypeError', message: 'bad' })
    expect(err.stack).toMatch(/^TypeError: bad\n {4}at /)
  })

  test('that is no pino is told so', async () => {
    write('export const log = { info() {} }', 'other.mjs')
    expect(await mistakes('[logging]\nuse = file:./other.mjs#log\n')).toBe(
      'app.ini:2: [logging] use: expected a logger of pino, and file:./other.mjs#log is none',
    )
  })

  test('that is not installed is asked for', async () => {
    await expect(openPino('pino', [cwd])).rejects.toThrow('pino is not installed: npm install pino')
  })

  test('is flushed at the end', async () => {
    let flushed = 0
    const pino = {
      child: () => pino,
      flush(done: () => void) {
        flushed++
        done()
      },
    } as unknown as PinoLogger
    await pinoLogging(pino, { levels: new Map(), formats: new Map() }, undefined).flush()
    await pinoLogging({} as PinoLogger, { levels: new Map(), formats: new Map() }, undefined).flush()
    expect(flushed).toBe(1)
  })
})
