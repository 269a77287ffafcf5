import { expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { factory, grantip } from '../../src/filters/grantip.js'
import { environ } from '../../src/http/environ.js'
import type { App, Filter } from '../../src/protocol.js'
import { serve } from '../support/site.js'

const app: App = (req, res) => {
  const { REMOTE_USER = '', REMOTE_USER_TOKENS = '' } = environ(req)
  res.end(`${REMOTE_USER}:${REMOTE_USER_TOKENS}`)
}

/** The header says where the request comes from, as a filter for proxies would. */
async function ask(filter: Filter, address: string, user?: string): Promise<string> {
  const granted = filter(app)
  const site = await serve((req, res) => {
    environ(req).REMOTE_ADDR = address
    if (user !== undefined) environ(req).REMOTE_USER = user
    return granted(req, res)
  })
  return site.visitor().get('/')
}

const conf = makeConf([
  ['192.168.0.0/24', 'office:editor, reader'],
  ['10.0.0.5-10.0.0.7', '-:reader'],
  ['127.0.0.1', 'local'],
  ['networks', '\nfd00::/8 inside:admin\n::1 -:local'],
])

test.each([
  ['192.168.0.77', 'office:editor,reader'],
  ['192.168.1.1', ':'],
  ['10.0.0.6', ':reader'],
  ['10.0.0.8', ':'],
  ['127.0.0.1', 'local:'],
  ['fd00::1', 'inside:admin'],
  ['::1', ':local'],
  ['', ':'],
  ['unix', ':'],
])('a client at %j is %j', async (address, expected) => {
  expect(await ask(factory(conf, conf), address)).toBe(expected)
})

test('a name that is there stays, unless clobber_username = true', async () => {
  const clobbering = makeConf([...conf, ['clobber_username', 'true']])
  expect(await ask(factory(conf, conf), '127.0.0.1', 'ann')).toBe('ann:')
  expect(await ask(factory(conf, clobbering), '127.0.0.1', 'ann')).toBe('local:')
})

test.each([
  ['10.0.0.0/33', 'x'],
  ['10.0.0.9-10.0.0.1', 'x'],
  ['300.1.1.1', 'x'],
  ['10.0.0.0/', 'x'],
])('%s is no network', (network, user) => {
  expect(() => grantip({ [network]: user })).toThrow(
    `${network}: expected an address, a network (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9)`,
  )
})

test('a network without a user, and a setting that there is none of, are mistakes', () => {
  expect(() => grantip({ '10.0.0.1': ' ' })).toThrow(
    '10.0.0.1: expected a user, or user:role,role, got nothing',
  )
  const odd = makeConf([['network', '::1 x']])
  expect(() => factory(odd, odd)).toThrow('network: no such setting. Did you mean "networks"?')
})
