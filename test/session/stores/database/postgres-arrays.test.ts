import { expect, test } from 'vitest'
import { bytesArray, textArray } from '../../../../src/session/stores/database/postgres-arrays.js'

test('writes an array of texts so that none of them means something else', () => {
  expect(textArray(['abc', 'NULL', '-1_'])).toBe('{"abc","NULL","-1_"}')
  expect(textArray([1, 9_999_999_999_999])).toBe('{"1","9999999999999"}')
  expect(textArray([])).toBe('{}')
})

test('writes an array of bytes as PostgreSQL sends one', () => {
  // SELECT encode(array_send(ARRAY['\x00ff5c', '', '\x22']::bytea[]), 'hex')
  const sent = '0000000100000000000000110000000300000001' + '0000000300ff5c' + '00000000' + '0000000122'
  const items = [Buffer.from([0, 255, 92]), new Uint8Array(), Uint8Array.of(34)]
  expect(bytesArray(items).toString('hex')).toBe(sent)
})
