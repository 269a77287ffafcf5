import { describe, expect, test } from 'vitest'
import { clip, escapeMarkup, visible, widthOf } from '../../../src/cli/picture/text.js'

describe('text of a picture', () => {
  test.each([
    ['a\u0007b\n', 'a\\u{7}b\\u{a}'],
    ['\u202egro.elpmaxe', '\\u{202e}gro.elpmaxe'],
    ['\ud83d', '\\u{d83d}'],
    ['漢字 🎉 é', '漢字 🎉 é'],
  ])('shows what can not be seen: %j', (text, expected) => {
    expect(visible(text)).toBe(expected)
  })

  test('ends no element and no attribute', () => {
    expect(escapeMarkup(`<a b="c" d='e'>&amp;`)).toBe('&#60;a b=&#34;c&#34; d=&#39;e&#39;&#62;&#38;amp;')
  })

  test('is as wide as its cells', () => {
    expect(['abc', '漢字', '🎉', 'e\u0301'].map(widthOf)).toEqual([3, 4, 2, 1])
  })

  test('keeps begin and end when it is too long, and no half characters', () => {
    expect(clip('/short', 10)).toBe('/short')
    expect(clip('/administration/of/everything', 11)).toBe('/admi…thing')
    expect(clip('🎉🎉🎉🎉🎉🎉', 6)).toBe('🎉…🎉')
  })
})
