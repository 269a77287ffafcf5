// What code sees that logs: `logger(name)`.

import { createContext, runInContext } from 'node:vm'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { hasLogging, type Logging, type LogRecord, logger, useLogging } from '../../src/config/logging.js'
import { logger as exported } from '../../src/index.js'

afterEach(() => void useLogging(undefined))

/** Has all records of `least` and above go to a list. */
function record(least = 0, threshold: Logging['threshold'] = () => least): LogRecord[] {
  const records: LogRecord[] = []
  useLogging({ threshold, write: (record) => void records.push(record) })
  return records
}

function stderr(): string[] {
  const lines: string[] = []
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  onTestFinished(() => spy.mockRestore())
  return lines
}

describe('where nobody says how to log', () => {
  test('a record of level info and above is one line on stderr', () => {
    const lines = stderr()
    const log = exported('myapp.models')
    log.debug('not this')
    log.info('three rows')
    log.warn({ rows: 3, of: 'a b' }, 'few rows')
    expect(hasLogging()).toBe(false)
    expect(lines).toEqual(['myapp.models: three rows\n', 'myapp.models: few rows rows=3 of="a b"\n'])
  })

  test('our own lines begin with sessd, and are one line each', () => {
    const lines = stderr()
    logger('sessd.app').error({ err: new Error('x'), more: 1 }, 'GET /: Error: x')
    expect(lines).toEqual(['sessd: GET /: Error: x\n'])
  })

  test('an error has its stack below, indented', () => {
    const lines = stderr()
    logger('a').error(new TypeError('bad'))
    expect(lines[0]).toMatch(/^a: TypeError: bad\n( {4}at .*\n)+$/)
  })
})

describe('a logger', () => {
  test('takes a text, fields and an error in any order', () => {
    const records = record()
    const log = logger('a')
    const error = new RangeError('far')
    log.info('text')
    log.info({ n: 1 }, 'text')
    log.info('text', { n: 1 })
    log.info({ n: 1 })
    log.info(error)
    log.info(error, 'text')
    log.info('text', error)
    log.info({ err: error, n: 1 }, 'text')
    log.info('rows', 3 as unknown as object)
    expect(records.map(({ msg, fields, err }) => [msg, { ...fields }, err?.message])).toEqual([
      ['text', {}, undefined],
      ['text', { n: 1 }, undefined],
      ['text', { n: 1 }, undefined],
      ['', { n: 1 }, undefined],
      ['RangeError: far', {}, 'far'],
      ['text', {}, 'far'],
      ['text', {}, 'far'],
      ['text', { n: 1 }, 'far'],
      ['rows 3', {}, undefined],
    ])
  })

  test('has the methods of pino, each with its level', () => {
    const records = record()
    const log = logger('a')
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[level](level)
    expect(records.map(({ level, msg }) => [level, msg])).toEqual(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [level, level]),
    )
  })

  test('gives methods that can be passed on alone', async () => {
    const records = record()
    const { error } = logger('a')
    await Promise.reject(new Error('later')).catch(error)
    await Promise.reject(undefined).catch(error)
    expect(records.map(({ msg }) => msg)).toEqual(['Error: later', 'undefined'])
  })

  test('hears at once when somebody says another level', () => {
    const log = logger('a')
    const first = record(30)
    log.info('no')
    expect(log.isLevelEnabled('info')).toBe(false)
    const second = record(20)
    log.info('yes')
    expect(log.isLevelEnabled('info')).toBe(true)
    expect([first.length, second.length]).toEqual([0, 1])
  })

  test('makes nothing of what is not written', () => {
    record(50)
    const costly = {
      get field() {
        throw new Error('was looked at')
      },
    }
    const threshold = vi.fn(() => 50)
    record(50, threshold)
    const log = logger('a')
    for (let i = 0; i < 1000; i++) log.debug(costly)
    expect(threshold).toHaveBeenCalledTimes(1)
  })

  test('with a level of its own asks nobody', () => {
    const records = record(Number.POSITIVE_INFINITY)
    logger('a', 'debug').debug('said')
    expect(records).toHaveLength(1)
  })

  test('is shared by all copies of the package', async () => {
    const records = record()
    vi.resetModules()
    const other = await import('../../src/config/logging.js')
    expect(other.logger).not.toBe(logger)
    other.logger('theirs').info('x')
    expect(records.map(({ name }) => name)).toEqual(['theirs'])
  })
})

describe('a request among the fields', () => {
  test('is told by its id, method and path, and nothing else', () => {
    const records = record()
    const req = {
      method: 'GET',
      url: '/rest?secret=1',
      originalUrl: '/mount/rest?secret=1',
      headers: { cookie: 'sid=1' },
      environ: { 'sessd.request_id': 'r1' },
    }
    logger('a').info({ req, n: 1 }, 'x')
    const [{ requestId, fields } = {} as LogRecord] = records
    expect([requestId, { ...fields }]).toEqual(['r1', { method: 'GET', path: '/mount/rest', n: 1 }])
  })

  test('that is none is a field', () => {
    const records = record()
    logger('a').info({ req: 7 })
    expect({ ...records[0]!.fields }).toEqual({ req: 7 })
  })
})

describe('whatever is logged', () => {
  test('does not throw, and does not stop', () => {
    const records = record()
    const circle: Record<string, unknown> = { name: 'circle' }
    circle.self = circle
    const deep = { a: { a: { a: { a: { a: { a: { a: {} } } } } } } }
    const thrower = new Proxy({}, { ownKeys: () => assertNever() })
    const assertNever = (): never => {
      throw new Error('no')
    }
    const badText = { toString: null, [Symbol.toPrimitive]: null }
    const evil = Object.assign(new Error('x'), { cause: undefined as unknown })
    evil.cause = evil
    const values = [
      ...[circle, deep, thrower, badText, evil, null, undefined, 1n, Symbol('s'), () => 1, Number.NaN],
      ...[new Map([['k', new Set([1])]]), Buffer.alloc(9), new Date(Number.NaN), Object.create(null)],
    ]
    const log = logger('a')
    for (const value of values) {
      log.info(value as object)
      log.info({ value }, 'text')
      log.info('text', value as object)
    }
    log.info({ circle, deep, map: new Map([['k', new Set([1])]]), bytes: Buffer.alloc(9), big: 1n })
    const { fields } = records.at(-1)!
    expect(JSON.parse(JSON.stringify(fields))).toEqual({
      circle: { name: 'circle', self: '[circular]' },
      deep: { a: { a: { a: { a: { a: '[deeper]' } } } } },
      map: { k: [1] },
      bytes: '[9 bytes]',
      big: '1',
    })
    expect(records.length).toBeGreaterThan(35)
  })

  test('keeps no secret, no cookie and no session id', () => {
    const records = record()
    const error = new Error('connect postgres://me:hunter2@db failed')
    const headers = { cookie: 'c', 'set-cookie': ['c'], authorization: 'c', accept: '*' }
    logger('a').error(
      { err: error, password: 'c', session_id: 'c', sessionId: 'c', headers, url: 'redis://:hunter2@h' },
      'token=hunter2 of postgres://me:hunter2@db',
    )
    const text = JSON.stringify(records)
    expect(text).not.toContain('hunter2')
    expect(text).not.toMatch(/"c"/)
    expect(records[0]!.msg).toBe('token=*** of postgres://me:***@db')
    expect(records[0]!.fields.headers).toEqual({
      cookie: '***',
      'set-cookie': '***',
      authorization: '***',
      accept: '*',
    })
  })

  test('can have no field of a name that lines have', () => {
    const records = record()
    logger('a').info(JSON.parse('{"level":"x","msg":"x","__proto__":"x"}'), 'text')
    expect(Object.entries(records[0]!.fields)).toEqual([
      ['_level', 'x'],
      ['_msg', 'x'],
      ['__proto__', 'x'],
    ])
  })

  test('tells what caused an error, and those that it holds, and errors of other realms', () => {
    const records = record()
    const cause = Object.assign(new Error('inner'), { code: 'EINNER' })
    const error = new AggregateError([new Error('one')], 'all', { cause })
    logger('a').error(error)
    logger('a').error(runInContext('new TypeError("far")', createContext()))
    expect(records[0]!.err).toMatchObject({
      type: 'AggregateError',
      message: 'all',
      cause: { type: 'Error', message: 'inner', code: 'EINNER' },
      errors: [{ message: 'one' }],
    })
    expect(records[1]!.err).toMatchObject({ type: 'TypeError', message: 'far' })
  })

  test('is lost rather than thrown when it can not be written', () => {
    useLogging({
      threshold: () => 0,
      write() {
        throw new Error('full')
      },
    })
    expect(logger('a').info('x')).toBe(undefined)
  })
})
