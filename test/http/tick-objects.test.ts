import { executionAsyncResource } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { kept } from '../../src/http/tick-objects.js'

setFlagsFromString('--expose-gc')
setFlagsFromString('--allow-natives-syntax')
const collect: () => void = runInNewContext('gc')
const haveOneShape: (a: object, b: object) => boolean = new Function(
  'a',
  'b',
  'return %HaveSameMap(a, b)',
) as never

test('what is kept has the shape of what process.nextTick makes after a full collection', async () => {
  collect()
  const made = await new Promise<object>((resolve) => {
    process.nextTick(() => resolve(executionAsyncResource()))
  })
  expect(kept).toHaveLength(1)
  expect(haveOneShape(kept[0]!, made)).toBe(true)
  expect(haveOneShape(kept[0]!, {})).toBe(false)
})
