// A lock ends where the answer begins: a download keeps nobody from the next page.

import { expect, it, onTestFinished } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

it.each(['lock = request', 'session.lock()'])(
  '%s: the lock is not held while a response streams',
  async (how) => {
    const isSetting = how === 'lock = request'
    const endings: (() => void)[] = []
    const app: App = async (req, res) => {
      const session = await getSession(req)
      if (!isSetting) await session.lock()
      session.update('n', (n = 0) => (n as number) + 1)
      if (req.url !== '/stream') return res.end(String(session.get('n')))
      res.write('first')
      endings.push(() => res.end())
    }
    const filter = beakerSession({
      secret: 'a secret of more than thirty-two characters',
      key: 'sid',
      lock_timeout: 60,
      ...(isSetting && { lock: 'request' as const }),
    })
    onTestFinished(async () => filter.close?.())
    const { visitor } = await serve(filter(app))
    const bob = visitor()
    expect(await bob.get('/')).toBe('1')
    const streaming = await bob.fetch('/stream')
    const reader = streaming.body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('first')
    // The stream goes on; with the lock in its hands this would wait for a minute.
    expect(await bob.get('/')).toBe('3')
    for (const end of endings) end()
    expect((await reader.read()).done).toBe(true)
  },
)
