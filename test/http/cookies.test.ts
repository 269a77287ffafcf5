import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cookieTemplate, findCookie } from '../../src/http/cookies.js'

interface HeaderCases {
  good: string
  cases: { position: string; fragment: string; header: string }[]
}

const fixture = new URL('../fixtures/beaker/cookie_headers.json', import.meta.url)
const { good, cases } = JSON.parse(readFileSync(fixture, 'utf8')) as HeaderCases
const [name, value] = good.split('=') as [string, string]

const accept = (wanted: string) => ({ verify: (text: string) => (text === wanted ? text : null) })

function allValues(header: string, cookie: string): string[] {
  const values: string[] = []
  findCookie(header, cookie, {
    verify(text) {
      values.push(text)
      return null
    },
  })
  return values
}

describe('reading a cookie', () => {
  it.each(cases.filter(({ header }) => header !== ''))('finds the valid one in $header', ({ header }) => {
    expect(findCookie(header, name, accept(value))).toBe(value)
  })

  it('offers every occurrence of the name, in order', () => {
    expect(allValues('sid=a; x=1; sid=b;sid = c; sid="d"; sid=', 'sid')).toEqual(['a', 'b', 'c', 'd', ''])
  })

  it('keeps names apart that end alike, or hide in another value', () => {
    expect(allValues('xsid=1; my-sid=2; a=sid=3; sid=4; %73id=5; SID=6', 'sid')).toEqual(['4'])
  })

  it('takes a name with regular expression characters as it is', () => {
    expect(allValues('beakerXsession.id=1; beaker.session.id=2', 'beaker.session.id')).toEqual(['2'])
  })

  it('reads a hostile header of 64 KB once, not once per pair', () => {
    const header = 'sid=; '.repeat(11_000)
    expect(allValues(header, 'sid')).toHaveLength(11_000)
    expect(allValues(' '.repeat(65_000), 'sid')).toEqual([])
    expect(allValues(`${' '.repeat(65_000)}sid=1`, 'sid')).toEqual(['1'])
  })
})

describe('a cookie template', () => {
  const attributes = {
    domain: null,
    path: '/',
    maxAge: null,
    secure: false,
    httpOnly: true,
    sameSite: 'lax',
  } as const

  it('writes name, value and attributes', () => {
    expect(cookieTemplate('sid', attributes).set('v')).toBe('sid=v; Path=/; HttpOnly; SameSite=Lax')
  })

  it('deletes with the same name, path, domain and attributes', () => {
    const template = cookieTemplate('sid', {
      ...attributes,
      domain: 'example.com',
      path: '/app',
      secure: true,
    })
    expect(template.set('v')).toBe('sid=v; Domain=example.com; Path=/app; HttpOnly; Secure; SameSite=Lax')
    expect(template.expired).toBe(
      'sid=; Max-Age=0; Domain=example.com; Path=/app; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax',
    )
  })

  it('says for how long, in both ways that browsers know', () => {
    const header = cookieTemplate('sid', { ...attributes, maxAge: 60 }).set('v')
    expect(header).toMatch(/^sid=v; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax; Expires=\w{3}, .* GMT$/)
    const expires = Date.parse(/Expires=(.*)$/.exec(header)![1]!)
    expect(Math.abs(expires - Date.now() - 60_000)).toBeLessThan(5_000)
  })
})
