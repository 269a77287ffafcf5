import { describe, expect, test } from 'vitest'
import { parseIni } from '../../src/loader/ini.js'

/** Sections as lists, so that order counts. */
function sectionsOf(text: string) {
  const { sections } = parseIni(text, 'x.ini')
  return [...sections].map(([title, { entries }]) => [
    title,
    [...entries].map(([key, { value }]) => [key, value]),
  ])
}

function errorsOf(text: string) {
  return parseIni(text, 'x.ini').errors.map(({ message }) => message)
}

function warningsOf(text: string) {
  return parseIni(text, 'x.ini').warnings.map(({ message }) => message)
}

describe('what the package ini would spoil arrives as it is written:', () => {
  test.each([
    ['a # in a value', 'use = egg:Paste#urlmap', [['use', 'egg:Paste#urlmap']]],
    ['a ; in a secret', 'secret = p;w#d', [['secret', 'p;w#d']]],
    ['backslashes', 'a = C:\\dir\\\\x\\;', [['a', 'C:\\dir\\\\x\\;']]],
    [
      'words that look like types',
      'a = true\nb = null\nc = "false"',
      [
        ['a', 'true'],
        ['b', 'null'],
        ['c', '"false"'],
      ],
    ],
    [
      'quotes and JSON',
      `a = '[1,2]'\nb = "x"`,
      [
        ['a', "'[1,2]'"],
        ['b', '"x"'],
      ],
    ],
    ['keys that end in []', 'x[] = 1', [['x[]', '1']]],
    [
      'keys that look like numbers',
      'b = 1\n404 = /nf\n10 = 2',
      [
        ['b', '1'],
        ['404', '/nf'],
        ['10', '2'],
      ],
    ],
    [
      'keys of Object.prototype',
      '__proto__ = 1\nconstructor = 2',
      [
        ['__proto__', '1'],
        ['constructor', '2'],
      ],
    ],
    ['line separators of Unicode', 'a = x\u2028y\u2029z', [['a', 'x\u2028y\u2029z']]],
    ['a byte order mark inside of a value', 'a = \ufeffz\ufeff', [['a', '\ufeffz\ufeff']]],
    ["Python's white space around a value", '\x1c\x85\u3000a\x1f =\x1d x\x1e\u00a0', [['a', 'x']]],
    ['brackets and equals signs', '"k] = [" = ==]', [['"k]', '[" = ==]']]],
  ])('%s', (_title, lines, entries) => {
    expect(sectionsOf(`[app:main]\n${lines}\n`)).toEqual([['app:main', entries]])
  })

  test('section names with dots, brackets, comment signs and __proto__', () => {
    const titles = ['a.b', 'a', 'x]y', 'app:x;y', '"q"', '__proto__', 'a.__proto__.b', '404']
    expect(sectionsOf(titles.map((title) => `[${title}]\nk = v\n`).join(''))).toEqual(
      titles.map((title) => [title, [['k', 'v']]]),
    )
  })
})

test('every key and every part of a continued value knows its line', () => {
  const { sections, defaults } = parseIni(
    '# one\r\n[DEFAULT]\r\nd = 1\r\n[app:x]\r\na =\r\n  b\r\n  # c\r\n\r\n  d\r\n\r\ne = f',
    'x.ini',
  )
  expect(defaults.get('d')).toEqual({ key: 'd', value: '1', line: 3, lines: [3] })
  const section = sections.get('app:x')!
  expect(section).toMatchObject({ title: 'app:x', shape: 'app', name: 'x', line: 4 })
  expect(section.entries.get('a')).toEqual({ key: 'a', value: '\nb\n\nd', line: 5, lines: [5, 6, 8, 9] })
  expect(section.entries.get('e')).toEqual({ key: 'e', value: 'f', line: 11, lines: [11] })
})

test('a section without a known prefix is read and has no shape', () => {
  const { sections } = parseIni('[loggers]\nkeys = root\n[app]\n[filter-app: x ]\n[Server:main]\n', 'x.ini')
  expect([...sections.values()].map(({ title, shape, name }) => [title, shape, name])).toEqual([
    ['loggers', undefined, 'loggers'],
    ['app', 'app', 'main'],
    ['filter-app: x ', 'filter-app', 'x'],
    ['Server:main', undefined, 'main'],
  ])
})

describe('a mistake in the text is told with its line:', () => {
  test.each([
    ['a key before any section', 'a = 1\nb = 2\n[x]\n', ['x.ini:1: expected a [section] before this line']],
    [
      'a line that is no setting',
      '[app:main]\nuse = x\nflag\n',
      ['x.ini:3: [app:main]: expected "key = value", got "flag". A line that continues a value is indented'],
    ],
    [
      'a long line that is no setting, shortened',
      `[s]\n${'x'.repeat(99)}\n`,
      [
        `x.ini:2: [s]: expected "key = value", got "${'x'.repeat(57)}...". A line that continues a value is indented`,
      ],
    ],
    [
      'a secret that went over its line, without showing it',
      '[s]\nsecret = abc\ndef\n',
      ['x.ini:3: [s]: expected "key = value". A line that continues a value is indented'],
    ],
    ['a value without a key', '[s]\n= v\n', ['x.ini:2: [s]: expected a key before the "="']],
    [
      'a header that is not closed',
      '[s]\n[app:x\n',
      ['x.ini:2: [s]: a section begins with "[" and has no "]"'],
    ],
    ['a section that is there twice', '[s]\n[t]\n[s]\n', ['x.ini:3: [s]: is there twice: first on line 1']],
    ['a key that is there twice', '[s]\na = 1\na: 2\n', ['x.ini:3: [s] a: is there twice: first on line 2']],
    [
      'a key of a repeated [DEFAULT] that is there twice',
      '[DEFAULT]\na = 1\n[s]\n[DEFAULT]\na = 2\n',
      ['x.ini:5: [DEFAULT] a: is there twice: first on line 2'],
    ],
    [
      'all of them, in the order of their lines',
      '[s]\nflag\na = 1\na = 2\n[s]\nb = 1\nb = 2\n',
      [
        'x.ini:2: [s]: expected "key = value", got "flag". A line that continues a value is indented',
        'x.ini:4: [s] a: is there twice: first on line 3',
        'x.ini:5: [s]: is there twice: first on line 1',
        'x.ini:7: [s] b: is there twice: first on line 6',
      ],
    ],
  ])('%s', (_title, text, messages) => {
    expect(errorsOf(text)).toEqual(messages)
  })
})

describe('a line that is probably not meant so is warned of:', () => {
  test.each([
    [
      'a setting',
      '[s]\na = 1\n  b = 2\n',
      'this line looks like a setting but is indented: it continues the value',
    ],
    [
      'a section',
      '[s]\na = 1\n  [app:x]\n',
      'this line looks like a section but is indented: it continues the value',
    ],
    [
      'a no-break space',
      '[s]\na = 1\n\u00a0b\n',
      'this line is indented by a no-break space, so it continues the value',
    ],
  ])('%s that is indented', (_title, text, reason) => {
    expect(warningsOf(text)).toEqual([`x.ini:3: [s] a: ${reason}`])
  })

  test('but a list of names is not', () => {
    expect(warningsOf('[s]\npipeline =\n  a\n  b\nincludes =\n  x.y\n')).toEqual([])
  })
})

test('a value of 100 kB, 10,000 sections and 10,000 keys are read whole', () => {
  const long = 'x'.repeat(100_000)
  const keys = Array.from({ length: 10_000 }, (_, index) => `k${index} = ${index}`).join('\n')
  const many = Array.from({ length: 10_000 }, (_, index) => `[app:a${index}]\nuse = a${index + 1}`).join('\n')
  const { sections, errors } = parseIni(`[s]\nlong = ${long}\n${keys}\n${many}\n`, 'x.ini')
  expect(errors).toEqual([])
  expect(sections.get('s')!.entries.get('long')!.value).toBe(long)
  expect(sections.get('s')!.entries.size).toBe(10_001)
  expect(sections.size).toBe(10_001)
})
