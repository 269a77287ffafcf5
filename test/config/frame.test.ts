import { describe, expect, test } from 'vitest'
import { codeFrame } from '../../src/config/frame.js'

const SOURCE = `[DEFAULT]
a = 1

[app:main]
use = egg:Paste#urlmapp
secret = hunter2
  and more of it
db = postgres://me:hunter2@host/
port = abc
`

const at = (line: number, key?: string) =>
  codeFrame(SOURCE, { file: 'x.ini', line, section: 'app:main', key })

describe('a code frame', () => {
  test('shows two lines on both sides and marks the key', () => {
    expect(at(5, 'use')).toBe(
      [
        '  3 |',
        '  4 | [app:main]',
        '> 5 | use = egg:Paste#urlmapp',
        '    | ^^^',
        '  6 | secret = ***',
        '  7 |   ***',
      ].join('\n'),
    )
  })

  test('never shows a secret, on whatever line', () => {
    for (let line = 1; line <= 9; line++) expect(at(line)).not.toContain('hunter2')
    expect(at(8, 'db')).toContain('db = postgres://me:***@host/')
  })

  test('never shows what a secret is made of', () => {
    const source = '[DEFAULT]\ndb =\n  hunter2\n  hunter3\nother = 1\n[app:main]\npassword = %(db)s\n'
    expect(codeFrame(source, { file: 'x.ini', line: 3 }, { around: 1 })).toBe(
      ['  2 | db =', '> 3 |   ***', '    |   ^^^', '  4 |   ***'].join('\n'),
    )
  })

  test('marks all of a line that opens no key', () => {
    expect(at(4)).toContain('> 4 | [app:main]\n    | ^^^^^^^^^^\n')
  })

  test('lines up the numbers', () => {
    const source = Array.from({ length: 12 }, (_, index) => `k${index + 1} = v`).join('\n')
    expect(codeFrame(source, { file: 'x', line: 9, key: 'k9' })).toBe(
      [
        '   7 | k7 = v',
        '   8 | k8 = v',
        '>  9 | k9 = v',
        '     | ^^',
        '  10 | k10 = v',
        '  11 | k11 = v',
      ].join('\n'),
    )
  })

  test('is coloured on demand', () => {
    expect(codeFrame('a = 1', { file: 'x', line: 1, key: 'a' }, { color: true })).toBe(
      '\u001b[31m>\u001b[0m \u001b[2m1 | \u001b[0ma = 1\n  \u001b[2m  | \u001b[0m\u001b[31m^\u001b[0m',
    )
  })

  test('is empty without a line, or for one that the text has not', () => {
    expect(codeFrame(SOURCE, { file: 'x.ini' })).toBe('')
    expect(codeFrame(SOURCE, { file: 'x.ini', line: 99 })).toBe('')
  })

  test('keeps a long line short and lets no control character through', () => {
    const frame = codeFrame(`a = \u001b[2J\t${'x'.repeat(200)}`, { file: 'x', line: 1, key: 'a' })
    expect(frame.split('\n')[0]).toBe(`> 1 | a = ?[2J ${'x'.repeat(88)}...`)
  })
})
