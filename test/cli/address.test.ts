import { describe, expect, test } from 'vitest'
import { addressOverrides } from '../../src/cli/address.js'
import type { NodeSetting } from '../../src/loader.js'

describe('-H and -p', () => {
  test.each<[Record<string, string>, { host?: string; port?: string }, Record<string, string>]>([
    [{}, { port: '1' }, { port: '1' }],
    [{}, { host: '::1' }, { host: '::1' }],
    [{ host: 'a', port: '2' }, { port: '1' }, { port: '1' }],
    [{ host: 'a', port: '2' }, { host: 'b' }, { host: 'b' }],
    [{ host: 'a:2' }, { port: '1' }, { host: 'a', port: '1' }],
    [{ host: 'a:2' }, { host: 'b' }, { host: 'b', port: '2' }],
    [{ host: '[::1]:2' }, { port: '1' }, { host: '[::1]', port: '1' }],
    [{ host: '::1' }, { port: '1' }, { port: '1' }],
    [{ listen: '*:2' }, { port: '1' }, { listen: '*:1' }],
    [{ listen: '*:2' }, { host: '::1' }, { listen: '[::1]:2' }],
    [{ listen: '*:2' }, { host: 'b', port: '1' }, { listen: 'b:1' }],
    [{ listen: 'a' }, { host: 'b' }, { listen: 'b' }],
    [{ listen: 'unix:/x a:2 b:3' }, { port: '1' }, { listen: 'a:1' }],
    [{ listen: 'unix:/x' }, { port: '1' }, { listen: '127.0.0.1:1' }],
  ])('over %j, %j is %j', (section, given, expected) => {
    const settings = Object.entries(section).map(
      ([key, value]): NodeSetting => ({ key, value, from: 'section', secret: false, scope: 'local' }),
    )
    expect(Object.fromEntries(addressOverrides(settings, given))).toEqual(expected)
  })

  test('do not mind what is no setting of the section itself', () => {
    const settings: NodeSetting[] = [
      { key: 'host', value: 'a:2', from: 'default', secret: false, scope: 'global' },
    ]
    expect(Object.fromEntries(addressOverrides(settings, { port: '1' }))).toEqual({ port: '1' })
  })
})
