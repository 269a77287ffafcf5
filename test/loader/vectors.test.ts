// Real Paste Deploy's results (test/fixtures/paste-deploy) against ours. What differs on purpose, and our sentence for
// each of its errors, is in test/fixtures/paste-deploy-ours.json.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  DIFFERENT,
  normalize,
  OURS,
  runLoad,
  VECTORS,
  type Vector,
  vectorDirectory,
} from '../support/paste-stub.js'

for (const name of readdirSync(VECTORS)) {
  const vector = JSON.parse(readFileSync(join(VECTORS, name, 'expect.json'), 'utf8')) as Vector
  describe(`${name}: ${vector.what}`, () => {
    for (const [index, load] of vector.loads.entries()) {
      const { call, uri, name: section, global_conf } = load
      const title = [call, uri, section, global_conf && JSON.stringify(global_conf)].filter(Boolean).join(' ')
      const ours = OURS[name]?.[index]
      test(`${title} gives ${DIFFERENT.has(name) ? 'better than' : 'the same as'} Paste Deploy`, async () => {
        const outcome = await runLoad(load, await vectorDirectory(name))
        expect(outcome).toEqual(normalize(ours ?? load.result))
        if (!DIFFERENT.has(name)) expect(ours === undefined).toBe(load.error === undefined)
      })
    }
  })
}

test('every difference from Paste Deploy is in docs/paste-differences.md, and nothing else is', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/paste-differences.md'), 'utf8')
  const listed = [...page.matchAll(/\(`([\w-]+)`\)$/gm)].map(([, name]) => name)
  expect(new Set(listed)).toEqual(DIFFERENT)
})
