// People who use their sessions all the time, while something happens to the store: what they are told is counted, and
// compared with what is there when it is over.

import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { factory } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { serve, type Visitor } from './site.js'

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/add') session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
  res.end(JSON.stringify(session.get('n') ?? 0))
}

/** More than any request takes, with a store that answers or not: `store_timeout` is one second. */
const ANSWER_MS = 10_000

export interface Crowd {
  readonly people: readonly Visitor[]
  /** A new one, without a cookie. */
  visitor(): Visitor
}

/** Some people with sessions that say 1, in a store with these settings. */
export async function gather(settings: Readonly<Record<string, string>>, count = 5): Promise<Crowd> {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const section = {
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    store_timeout: '1',
    ...settings,
  }
  const filter = await factory(makeConf([]), makeConf(Object.entries(section)))
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(filter(app))
  const people = Array.from({ length: count }, visitor)
  for (const person of people) expect((await person.fetch('/add')).status).toBe(200)
  return { people, visitor }
}

/**
 * All add again and again, for as long as `during` takes and some more; answers how many times each was told that it is
 * stored. Every request has to be answered.
 */
export async function addWhile(people: readonly Visitor[], during: () => Promise<void>): Promise<number[]> {
  const stored = people.map(() => 0)
  let over = false
  const working = people.map(async (person, who) => {
    while (!over) {
      const response = await person.fetch('/add', { signal: AbortSignal.timeout(ANSWER_MS) })
      await response.text()
      expect([200, 500]).toContain(response.status)
      if (response.status === 200) stored[who]!++
    }
  })
  try {
    await pause(100)
    await during()
    await pause(700)
  } finally {
    over = true
    await Promise.all(working)
  }
  return stored
}

/** The store is back without a restart of ours, and has everything that it said it had. */
export async function expectRecovered(people: readonly Visitor[], stored: readonly number[]): Promise<void> {
  for (const [who, person] of people.entries()) {
    await expect.poll(async () => (await person.fetch('/')).status, { interval: 50, timeout: 5000 }).toBe(200)
    expect(Number(await person.get('/'))).toBeGreaterThanOrEqual(stored[who]! + 1)
    await expect
      .poll(async () => (await person.fetch('/add')).status, { interval: 50, timeout: 5000 })
      .toBe(200)
  }
}
