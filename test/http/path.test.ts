import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodePath,
  encodePath,
  isNormal,
  normalizeUrl,
  parseAbsolute,
  pathEnd,
} from '../../src/http/path.js'

const RUNS = { numRuns: 1000 }

describe('the normal form of a path', () => {
  test.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a...b/..c/...', '/a...b/..c/...'],
    ["/-._~!$&'()*+,;=:@|[x]", "/-._~!$&'()*+,;=:@|[x]"],
  ])('leaves %s alone', (url, expected) => {
    expect(normalizeUrl(url)).toBe(expected)
    expect(isNormal(url)).toBe(true)
  })

  test.each([
    ['runs of slashes are one', '//a///b//', '/a/b/'],
    ['a dot segment is nothing', '/a/./b/.', '/a/b/'],
    ['two dots go one segment up', '/a/b/../c/..', '/a/'],
    ['nothing goes above the root', '/../../a/../../b', '/b'],
    ['a way up over a run of slashes counts the run as one', '/a//../b', '/b'],
    ['escaped dots are dots', '/a/%2e%2E/b/%2e', '/b/'],
    ['an escaped slash is no border', '/a%2f..%2fb', '/a%2F..%2Fb'],
    ['an escaped backslash is no border', '/a%5c..%5cb', '/a%5C..%5Cb'],
    ['a backslash is none either', '/a\\..\\b', '/a%5C..%5Cb'],
    ['a number sign does not end the path', '/a#b', '/a%23b'],
    ['a semicolon is data', '/a;x=1/..;/b', '/a;x=1/..;/b'],
    ['needless escapes are undone', '/%61%2D%7e%5f', '/a-~_'],
    ['hexadecimal is upper case', '/%c3%a9%3a', '/%C3%A9%3A'],
    ['a percent sign that escapes nothing is escaped', '/100%/%zz/%4', '/100%25/%25zz/%254'],
    ['undoing an escape never makes a new one', '/%%32e%%32e/x', '/%252e%252e/x'],
    ['raw bytes are escaped', '/caf\xc3\xa9', '/caf%C3%A9'],
    ['what URL parsers escape is escaped', '/ "<>^`{}', '/%20%22%3C%3E%5E%60%7B%7D'],
    ['the query is left alone', '//a?b=//../%2e\\#', '/a?b=//../%2e\\#'],
  ])('%s', (_rule, url, expected) => {
    expect(normalizeUrl(url)).toBe(expected)
    expect(isNormal(url)).toBe(url === expected)
  })

  test.each(['/%00', '/a%0ab', '/%0D%0A', '/%1f', '/%7f', '/\x00', '/a\nb', 'a', '', '*', 'http://h/', '?x'])(
    'does not exist for %j',
    (url) => {
      expect(normalizeUrl(url)).toBeUndefined()
    },
  )

  const urls = fc
    .array(
      fc.oneof(
        fc.constantFrom(...'/./..//%2e%2f%5c%25%C3%A9%e9;#?\\ |^ab%'.match(/%..|\.\.|\/\/|./g)!),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 20 },
    )
    .map((parts) => `/${parts.join('')}`)

  test('is its own normal form', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const normal = normalizeUrl(url)
        if (normal === undefined) return
        expect(isNormal(normal)).toBe(true)
        expect(normalizeUrl(normal)).toBe(normal)
      }),
      RUNS,
    )
  })

  test('means the same to the URL class', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const normal = normalizeUrl(url)
        if (normal === undefined) return
        const path = normal.slice(0, pathEnd(normal))
        expect(new URL(`http://host${path}`).pathname).toBe(path)
      }),
      RUNS,
    )
  })

  test('decodes to a text that encodes to the same text again, without control characters', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const normal = normalizeUrl(url)
        if (normal === undefined) return
        const text = decodePath(normal.slice(0, pathEnd(normal)))
        expect(text).not.toMatch(/[\x00-\x1f\x7f]/)
        const encoded = encodePath(text)
        expect(isNormal(encoded)).toBe(true)
        expect(decodePath(encoded)).toBe(text)
      }),
      RUNS,
    )
  })

  test('has as many segments as its text', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const normal = normalizeUrl(url)
        if (normal === undefined) return
        const path = normal.slice(0, pathEnd(normal))
        expect(decodePath(path).split('/').length).toBe(path.split('/').length)
      }),
      RUNS,
    )
  })
})

describe('a decoded path', () => {
  test.each([
    ['text as UTF-8', '/caf%C3%A9/%E2%82%AC/%F0%9F%98%80', '/café/€/😀'],
    ['an escaped slash escaped', '/a%2Fb', '/a%2Fb'],
    ['a backslash', '/a%5Cb', '/a\\b'],
    ['bytes that are no UTF-8 escaped', '/%E9t%C3%A9', '/%E9té'],
    ['overlong forms and surrogates escaped', '/%C0%AF%ED%A0%80', '/%C0%AF%ED%A0%80'],
    ['a percent sign', '/100%25', '/100%'],
    [
      'the difference between an escaped slash and text that looks like one',
      '/%252F%25252F',
      '/%252F%25252F',
    ],
  ])('holds %s', (_what, path, expected) => {
    expect(decodePath(path)).toBe(expected)
  })
})

describe('a target in absolute form', () => {
  test.each([
    ['http://h', { host: 'h', url: '/' }],
    ['http://h?x=1', { host: 'h', url: '/?x=1' }],
    ['HTTPS://H:8443/a?b', { host: 'H:8443', url: '/a?b' }],
    ['http://[::1]:80/a', { host: '[::1]:80', url: '/a' }],
    ['http://user@h/', undefined],
    ['http:///a', undefined],
    ['http://h\\a', undefined],
    ['ftp://h/', undefined],
    ['/http://h/', undefined],
  ])('%s', (target, expected) => {
    expect(parseAbsolute(target)).toEqual(expected)
  })
})
