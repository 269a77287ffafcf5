// How a record looks, in each format.

import { describe, expect, test } from 'vitest'
import { json, plain, text } from '../../../src/config/logging/lines.js'
import { readPattern } from '../../../src/config/logging/pattern.js'
import { type LogRecord, makeRecord } from '../../../src/config/logging/record.js'
import { strftime, unknownDirectives } from '../../../src/config/logging/strftime.js'

const TIME = new Date(2026, 10, 5, 9, 8, 7, 6)

function record(msg: string, more: Partial<LogRecord> = {}): LogRecord {
  return { ...makeRecord('myapp.models', 'warn', msg, undefined), time: TIME.getTime(), ...more }
}

describe('text', () => {
  test('is time, level, name and message, as in Python', () => {
    expect(text(record('few rows'), false)).toBe('2026-11-05 09:08:07,006 WARNING  [myapp.models] few rows')
  })

  test('has fields behind the message, and quotes those that would be misread', () => {
    const fields = { n: 1, s: 'plain', q: 'two words', e: 'a=b', empty: '', o: { a: [1] }, gone: undefined }
    expect(text(record('x', { fields, requestId: 'r1' }), false)).toMatch(
      / x n=1 s=plain q="two words" e="a=b" empty="" o=\{"a":\[1\]\} request_id=r1$/,
    )
  })

  test('does not repeat the method and path that the message begins with', () => {
    const fields = { method: 'GET', path: '/a', n: 1 }
    expect(text(record('GET /a: broke', { fields }), false)).toMatch(/ GET \/a: broke n=1$/)
    expect(text(record('broke', { fields }), false)).toMatch(/ broke method=GET path=\/a n=1$/)
  })

  test('paints the level for a terminal, and nothing else', () => {
    expect(text(record('x'), true)).toBe('2026-11-05 09:08:07,006 \x1b[33mWARNING \x1b[0m [myapp.models] x')
  })

  test('has the stack and its causes below, indented, without what the message says already', () => {
    const err = {
      type: 'Error',
      message: 'a',
      stack: 'Error: a\n    at one\n2026 ERROR [x] forged',
      cause: { type: 'Error', message: 'b', stack: 'Error: b\n    at two' },
      errors: [{ type: 'Error', message: 'c' }],
    }
    expect(text(record('Error: a', { err }), false).split('\n').slice(1)).toEqual([
      '    at one',
      '    2026 ERROR [x] forged',
      '  caused by',
      '    Error: b',
      '    at two',
      '  caused by',
      '    Error: c',
    ])
    expect(text(record('other', { err }), false).split('\n')[1]).toBe('    Error: a')
  })
})

describe('nobody can forge a line', () => {
  const nasty = 'x\r\n2026 INFO\t\x1b[2J\x00\x7f\x9b\u2028\u2029\u202e\u2066y'
  const hidden = 'x\\r\\n2026 INFO\\t\\x1b[2J\\x00\\x7f\\x9b\\u2028\\u2029\\u202e\\u2066y'
  const all = makeRecord('a\nb', 'info', { 'k\n': nasty, err: new Error(nasty) }, nasty)

  test.each([
    ['text', text],
    ['plain', plain],
    ['a pattern', readPattern('%(name)s %(message)s')!.format],
  ])('of %s', (_name, format) => {
    const [first, ...rest] = format({ ...all, requestId: 'r\n1' }, false).split('\n')
    expect(first).toContain(hidden)
    expect(first).toContain('a\\nb')
    expect(first).toContain('\\n')
    expect(rest.every((line) => /^(?: {4}|$)/.test(line))).toBe(true)
    expect([first, ...rest].join('')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\u2066]/)
  })

  test('of json', () => {
    const line = json(undefined)(all, false)
    expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\u2066]/)
    expect(JSON.parse(line)).toMatchObject({
      name: 'a\nb',
      msg: nasty,
      'k\n': nasty,
      err: { message: nasty },
    })
  })
})

describe('json', () => {
  test('is one object in one line', () => {
    const err = { type: 'Error', message: 'a', stack: 'Error: a' }
    const line = json(3)(record('x', { err, requestId: 'r1', fields: { n: 1 } }), true)
    expect(line).not.toContain('\n')
    expect(Object.entries(JSON.parse(line) as object)).toEqual([
      ['time', TIME.toISOString()],
      ['level', 'warn'],
      ['name', 'myapp.models'],
      ['pid', process.pid],
      ['worker', 3],
      ['msg', 'x'],
      ['request_id', 'r1'],
      ['n', 1],
      ['err', err],
    ])
  })

  test('has no worker, request id and error where there is none', () => {
    expect(Object.keys(JSON.parse(json(undefined)(record('x'), false)) as object)).toEqual([
      ...['time', 'level', 'name', 'pid', 'msg'],
    ])
  })
})

describe("a pattern of Python's", () => {
  test.each([
    ['%(levelname)s|%(levelname)-5.5s|%(levelname)10s', 'WARNING|WARNI|   WARNING'],
    ['%(levelno)d %(levelno)04d %(levelno)s', '30 0030 30'],
    ['%(created).3f %(created)d %(msecs)03d', '1.250 1 250'],
    ['100%% %(message)s', '100% x request_id=r1'],
    ['%(threadName)s %(thread)d %(processName)s', 'MainThread 0 MainProcess'],
    ['%(process)d', String(process.pid)],
    ['%(request_id)s', 'r1'],
  ])('%s', (pattern, expected) => {
    const { format, unknown } = readPattern(pattern)!
    const line = format({ ...record('x'), time: 1250, requestId: 'r1' }, false)
    expect(line).toBe(expected)
    expect(unknown).toEqual([])
  })

  test('tells a request id once', () => {
    const given = record('x', { requestId: 'r1' })
    expect(readPattern('[%(request_id)s] %(message)s')!.format(given, false)).toBe('[r1] x')
    expect(readPattern('%(message)s')!.format(given, false)).toBe('x request_id=r1')
  })

  test('writes a dash for what is not known', () => {
    const { format, unknown, names } = readPattern('%(name)s:%(lineno)d %(nope)s')!
    expect([format(record('x'), false), unknown, [...names]]).toEqual([
      'myapp.models:- -',
      ['lineno', 'nope'],
      ['name', 'lineno', 'nope'],
    ])
  })

  test.each(['%', '%s', '%(name)', '%(name)q', 'x %(message)s %', '%(name)9999s'])(
    'can not be %s',
    (pattern) => {
      expect(readPattern(pattern)).toBe(undefined)
    },
  )

  test('has dates as strftime has them', () => {
    const { format } = readPattern('%(asctime)s', '%d/%b/%Y:%H:%M:%S')!
    expect(format(record('x'), false)).toBe('05/Nov/2026:09:08:07')
  })
})

test('strftime knows what dates are made of, and keeps the rest', () => {
  expect(strftime('%Y %y %m %d %H %I %M %S %p %B %b %A %a %F %T %% %Q', TIME)).toBe(
    '2026 26 11 05 09 09 08 07 AM November Nov Thursday Thu 2026-11-05 09:08:07 % %Q',
  )
  expect(strftime('%I %p', new Date(2026, 0, 1, 0, 0))).toBe('12 AM')
  expect(strftime('%z', TIME)).toMatch(/^[+-]\d{4}$/)
  expect(unknownDirectives('%Y %Q %')).toEqual(['%Q', '%'])
})
