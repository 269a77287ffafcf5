import { describe, expect, test } from 'vitest'
import { withCookies } from '../../src/filters/session-live-cookie.js'

describe('the cookie of a dead session goes, however it is written', () => {
  test.each([
    ['sid=x', undefined],
    ['sid=x; lang=de', 'lang=de'],
    ['lang=de;sid=x', 'lang=de'],
    ['sid = "x"; lang=de', 'lang=de'],
    ['sid=x; sid=y', undefined],
    ['sid=x; sid.1=y; sid.3=z; sid.4=mine', 'sid.4=mine'],
    // Python divides at blanks too, and takes quoted text apart in its own way.
    ['lang=de sid=x', undefined],
    ['a="; sid=x; b="; lang=de', 'a="; b="; lang=de'],
    ['a="b\tsid =x"; lang=de', 'lang=de'],
    ['a=sid=x', undefined],
    [';;, sid=x ; ', undefined],
  ])('%s', (header, left) => {
    expect(withCookies(header, 'sid', [])).toBe(left)
  })
})

test.each(['mysid=x', 'sid2=x', 'sid-a=x', '_sid=x', 'a=sid', 'SID=x', 'a=sid ; b'])(
  'another cookie stays: %s',
  (header) => {
    expect(withCookies(header, 'sid', [])).toBe(header.replace(' ;', ';'))
  },
)

test('the cookie of a live session is there once, in front, as it was proved', () => {
  expect(withCookies('lang=de; sid=old; sid="good"', 'sid', [['sid', 'good']])).toBe('sid=good; lang=de')
})
