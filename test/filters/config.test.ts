import { expect, test } from 'vitest'
import { builtins } from '../../src/builtins.js'
import { makeConf } from '../../src/config/conf.js'
import { config, factory } from '../../src/filters/config.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

const app: App = (req, res) => res.end(JSON.stringify([...environ(req)['paste.config']!]))

test('the section stands over [DEFAULT], and any name is a name', async () => {
  const filter = factory(
    makeConf([
      ['a', '1'],
      ['b', '2'],
    ]),
    makeConf([
      ['b', '3'],
      ['__proto__', 'x'],
    ]),
  )
  const v = (await serve(filter(app))).visitor()
  expect(await v.get('/')).toBe('[["a","1"],["b","3"],["__proto__","x"]]')
})

test('it is found under both of its names', async () => {
  const { pastedeploy, paste } = builtins
  expect(await paste!.filters!.config!()).toBe(factory)
  expect(await pastedeploy!.filters!.config!()).toBe(factory)
})

test('no request can change it for the next', async () => {
  const filter = config({ title: 'Shop' })
  const v = (
    await serve(
      filter((req, res) => {
        const conf = environ(req)['paste.config']!
        expect(() => Object.assign(conf, { title: 'x' })).toThrow(TypeError)
        return app(req, res)
      }),
    )
  ).visitor()
  expect(await v.get('/')).toBe('[["title","Shop"]]')
})
