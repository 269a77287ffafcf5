import { expect, test } from 'vitest'
import { importPeer } from '../../../src/session/stores/optional-peer.js'

test('a package that is missing is missed in plain words', async () => {
  await expect(
    importPeer('ext:redis', 'no-such-package', () => import('no-such-package' as string)),
  ).rejects.toThrow(new Error('ext:redis needs the package no-such-package: npm install no-such-package'))
})

test('what goes wrong in a package is shown as it is', async () => {
  const broken = new SyntaxError('broken')
  await expect(importPeer('ext:redis', 'x', () => Promise.reject(broken))).rejects.toBe(broken)
})
