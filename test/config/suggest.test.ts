import { expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { readOptions } from '../../src/config/options.js'
import { hint } from '../../src/config/suggest.js'
import { options } from '../../src/servers/http/options.js'

const names = (count: number) => Array.from({ length: count }, (_, i) => `name-${i}`)

test('a name that is near is asked for, else a short list is shown, and of a long one where it is', () => {
  expect(hint('nmae-1', names(100))).toBe(' Did you mean "name-1"?')
  expect(hint('x', ['a1', 'b2'])).toBe(' There is: a1, b2.')
  expect(hint('something', names(20))).toBe(` There is: ${names(20).join(', ')}.`)
  expect(hint('something', names(21))).toBe(' `sessd options` tells what there is.')
  expect(hint('x', [])).toBe('')
})

test('a setting that the server does not have is one short sentence', () => {
  expect(() => readOptions(options, makeConf([['zzzzzzzzzz', '1']]))).toThrow(
    new OptionError('zzzzzzzzzz', 'no such setting. `sessd options` tells what there is.'),
  )
})
