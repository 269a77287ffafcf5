import { expect, test } from 'vitest'
import { isSecretKey, maskValue, scrub } from '../../src/config/secrets.js'

test.each([
  'beaker.session.secret',
  'SESSION_SECRET',
  'db_password',
  'smtp.pass',
  'pw',
  'beaker.session.encrypt_key',
  'validate_key',
  'api-token',
  'private_key',
])('%s names a secret', (key) => {
  expect(isSecretKey(key)).toBe(true)
})

test.each(['beaker.session.key', 'key', 'secretary', 'tokens_per_second', 'bypass', 'use', 'compass'])(
  '%s names none',
  (key) => {
    expect(isSecretKey(key)).toBe(false)
  },
)

test('a password in a URL is masked, and the rest of it stays', () => {
  expect(maskValue('postgres://me:s3cret@db/x redis://:pw@r/0 http://h:80/', false)).toBe(
    'postgres://me:***@db/x redis://:***@r/0 http://h:80/',
  )
  expect(maskValue('anything', true)).toBe('***')
})

test('a password in a connection string or a query is masked, and the rest of it stays', () => {
  expect(maskValue('host=db user=me password=s3cret dbname=x', false)).toBe(
    'host=db user=me password=*** dbname=x',
  )
  expect(maskValue('Server=db;Uid=me;Pwd=s3cret;Port=1', false)).toBe('Server=db;Uid=me;Pwd=***;Port=1')
  expect(maskValue('https://h/?a=1&access_token=s3cret&b=2', false)).toBe(
    'https://h/?a=1&access_token=***&b=2',
  )
  expect(maskValue('key=name tokens=3 compassword=x', false)).toBe('key=name tokens=3 compassword=x')
})

test('a secret is taken out of a message, the longer of two first', () => {
  expect(scrub('not abcdef nor abcd but ab', ['abcd', 'abcdef', 'ab'])).toBe('not *** nor *** but ab')
})
