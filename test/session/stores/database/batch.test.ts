import { expect, test } from 'vitest'
import { Batch } from '../../../../src/session/stores/database/batch.js'

interface Sent {
  readonly items: readonly string[]
  answer(): void
  fail(error: Error): void
}

/** A server that answers when it is told to. */
function make(
  more: { limit?: number; lanes?: number; patience?: number; sizeOf?: (item: string) => number } = {},
) {
  const sent: Sent[] = []
  const batch = new Batch<string, string>({
    send: (items) =>
      new Promise((resolve, reject) => {
        sent.push({ items, answer: () => resolve((item) => item.toUpperCase()), fail: reject })
      }),
    keyOf: (item) => item[0]!,
    sizeOf: () => 1,
    limit: 10,
    lanes: 1,
    patience: 60_000,
    ...more,
  })
  return { batch, sent }
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('what is asked in one turn leaves together, and everybody gets an answer', async () => {
  const { batch, sent } = make()
  const answers = Promise.all(['a', 'b', 'c'].map((item) => batch.add(item)))
  await turn()
  expect(sent.map(({ items }) => items)).toEqual([['a', 'b', 'c']])
  sent[0]!.answer()
  expect(await answers).toEqual(['A', 'B', 'C'])
})

test('what is asked while one is under way leaves with the next', async () => {
  const { batch, sent } = make()
  const first = batch.add('a')
  await turn()
  const second = [batch.add('b'), batch.add('c')]
  await turn()
  expect(sent).toHaveLength(1)
  sent[0]!.answer()
  expect(await first).toBe('A')
  await turn()
  sent[1]!.answer()
  expect(sent[1]!.items).toEqual(['b', 'c'])
  expect(await Promise.all(second)).toEqual(['B', 'C'])
})

test('as many are under way as there are lanes', async () => {
  const { batch, sent } = make({ lanes: 2 })
  for (const item of ['a', 'b', 'c']) {
    void batch.add(item)
    await turn()
  }
  expect(sent.map(({ items }) => items)).toEqual([['a'], ['b']])
})

test('no batch has two of a key, too many, or too much', async () => {
  const { batch, sent } = make({
    lanes: 9,
    limit: 3,
    sizeOf: (item) => (item.endsWith('!') ? 1_000_000 : 1),
  })
  for (const item of ['a1', 'a2', 'b', 'a3', 'c', 'd!', 'e']) void batch.add(item)
  await turn()
  await turn()
  await turn()
  expect(sent.map(({ items }) => items)).toEqual([
    ['a1', 'b', 'c'],
    ['a2', 'd!'],
    ['a3', 'e'],
  ])
})

test('a batch that fails fails for all that are in it, and for no other', async () => {
  const { batch, sent } = make()
  const first = Promise.allSettled([batch.add('a'), batch.add('b')])
  await turn()
  const second = batch.add('c')
  sent[0]!.fail(new Error('broken'))
  expect(await first).toMatchObject([{ reason: { message: 'broken' } }, { reason: { message: 'broken' } }])
  await turn()
  sent[1]!.answer()
  expect(await second).toBe('C')
})

test('what has waited too long is not sent any more', async () => {
  const { batch, sent } = make({ patience: 0 })
  await expect(batch.add('a')).rejects.toThrow(new Error('no answer within 0 ms'))
  expect(sent).toEqual([])
})
