import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unifiedDiff } from '../../src/cli/unified-diff.js'

describe('a diff', () => {
  test('is empty for equal texts', () => {
    expect(unifiedDiff('x', 'a\nb\n', 'a\nb\n')).toEqual([])
  })

  test('shows changes with three lines around', () => {
    const before = '1\n2\n3\n4\n5\n6\n7\n8\n9\n'
    expect(unifiedDiff('app.ini', before, before.replace('5\n', 'five\nV\n'))).toEqual([
      '--- app.ini',
      '+++ app.ini',
      '@@ -2,7 +2,8 @@',
      ' 2',
      ' 3',
      ' 4',
      '-5',
      '+five',
      '+V',
      ' 6',
      ' 7',
      ' 8',
    ])
  })

  test('has a hunk for each change that stands alone', () => {
    const before = Array.from({ length: 20 }, (_, index) => `${index + 1}\n`).join('')
    const after = before.replace('2\n', 'two\n').replace('19\n', '')
    expect(unifiedDiff('x', before, after).filter((line) => line.startsWith('@@'))).toEqual([
      '@@ -1,5 +1,5 @@',
      '@@ -16,5 +16,4 @@',
    ])
  })

  test('of an empty file counts from line 0', () => {
    expect(unifiedDiff('x', '', 'a\n')).toEqual(['--- x', '+++ x', '@@ -0,0 +1 @@', '+a'])
    expect(unifiedDiff('x', 'a\n', '')).toEqual(['--- x', '+++ x', '@@ -1 +0,0 @@', '-a'])
  })

  test('says where a newline is missing at the end', () => {
    expect(unifiedDiff('x', 'a', 'a\n').slice(2)).toEqual([
      '@@ -1,2 +1 @@',
      ' a',
      '-\\ No newline at end of file',
    ])
  })

  test('of texts too long to compare is one block', () => {
    const lines = (word: string) => Array.from({ length: 2500 }, (_, index) => `${word}${index}\n`).join('')
    const diff = unifiedDiff('x', lines('a'), lines('b'))
    expect(diff[2]).toBe('@@ -1,2500 +1,2500 @@')
    expect(diff).toHaveLength(3 + 5000)
  })

  test('turns the first text into the second one', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 25 })
      .map((lines) => lines.map((line) => `${line}\n`).join(''))
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(applied(before, unifiedDiff('x', before, after))).toBe(after)
      }),
    )
  })
})

/** What `patch` would do, line numbers believed. */
function applied(before: string, diff: readonly string[]): string {
  const source = before.split('\n').slice(0, -1)
  const result: string[] = []
  let at = 0
  for (const line of diff.slice(2)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line)
    if (hunk !== null) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
      result.push(...source.slice(at, start))
      at = start
    } else if (line.startsWith('+')) result.push(line.slice(1))
    else {
      expect(source[at]).toBe(line.slice(1))
      if (line.startsWith(' ')) result.push(line.slice(1))
      at++
    }
  }
  return [...result, ...source.slice(at)].map((line) => `${line}\n`).join('')
}
