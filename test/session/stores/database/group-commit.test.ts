import { expect, test } from 'vitest'
import { GroupCommit } from '../../../../src/session/stores/database/group-commit.js'

class Busy extends Error {}

/** A connection that writes down what is done with it, and fails as told. */
function make(patience = 60_000) {
  const log: string[] = []
  const faults: Record<string, Error[]> = {}
  const step = (name: string) => {
    log.push(name)
    const fault = faults[name]?.shift()
    if (fault !== undefined) throw fault
  }
  const connection = {
    begin: () => step('begin'),
    commit: () => step('commit'),
    rollback: () => void log.push('rollback'),
  }
  const commits = new GroupCommit({
    connection: () => connection,
    isBusy: (error) => error instanceof Busy,
    onError: (error) => new Error(`told: ${(error as Error).message}`),
    patience,
  })
  const write = (name: string) =>
    commits.add(() => {
      step(name)
      return name.toUpperCase()
    })
  return { log, faults, commits, write }
}

test('what is written in one turn is one transaction', async () => {
  const { log, write } = make()
  expect(await Promise.all([write('a'), write('b')])).toEqual(['A', 'B'])
  expect(log).toEqual(['begin', 'a', 'b', 'commit'])
  await write('c')
  expect(log.slice(4)).toEqual(['begin', 'c', 'commit'])
})

test('nobody hears of what is not committed', async () => {
  const { log, faults, write } = make()
  faults.commit = [new Error('disk full'), new Error('disk full'), new Error('disk full')]
  const results = await Promise.allSettled([write('a'), write('b')])
  expect(results.map((result) => result.status === 'rejected' && result.reason.message)).toEqual([
    'told: disk full',
    'told: disk full',
  ])
  expect(log.filter((entry) => entry === 'rollback')).toHaveLength(3)
})

test('one that fails spoils nothing for the others', async () => {
  const { log, faults, write } = make()
  faults.b = [new Error('too large'), new Error('too large')]
  const results = await Promise.allSettled([write('a'), write('b'), write('c')])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(log).toEqual([
    ...['begin', 'a', 'b', 'rollback'],
    ...['begin', 'a', 'commit', 'begin', 'b', 'rollback', 'begin', 'c', 'commit'],
  ])
})

test('a lock that another process holds is tried again', async () => {
  const { log, faults, write } = make()
  faults.begin = [new Busy(), new Busy()]
  expect(await Promise.all([write('a'), write('b')])).toEqual(['A', 'B'])
  expect(log).toEqual(['begin', 'begin', 'begin', 'a', 'b', 'commit'])
})

test('a lock that another process keeps is waited for so long and no longer', async () => {
  const { faults, write } = make(0)
  faults.begin = [new Busy()]
  await expect(write('a')).rejects.toThrow(new Error('told: another process has had it locked for 0 ms'))
})

test('more than a transaction should hold becomes several', async () => {
  const { log, write } = make()
  await Promise.all(Array.from({ length: 250 }, () => write('x')))
  expect(log.filter((entry) => entry === 'commit')).toHaveLength(3)
})

test('it is idle when all is written', async () => {
  const { commits, write } = make()
  await commits.idle()
  let done = false
  const writing = write('a').then(() => {
    done = true
  })
  await commits.idle()
  await writing
  expect(done).toBe(true)
})
