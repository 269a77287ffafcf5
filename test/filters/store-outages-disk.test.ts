import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeWithDisk, mountDisk } from '../support/disk.js'
import { addWhile, type Crowd, expectRecovered, gather } from '../support/outages.js'

/** What is left of saving and locking, apart from the card that says who we are. */
function leftovers(data_dir: string): string[] {
  const directory = join(data_dir, 'container_file')
  const locks = readdirSync(join(directory, 'lock')).filter((name) => !name.endsWith('.owner'))
  return [...readdirSync(join(directory, 'tmp')), ...locks]
}

/**
 * Nobody new gets a session, and who has one is told that nothing changes, and can read on. `harm` is done to the disk
 * again and again: what is under way when it is filled gives space back.
 */
async function expectReadOnly({ people, visitor }: Crowd, harm: () => void): Promise<void> {
  const [bob] = people
  for (const person of [visitor(), bob!]) {
    const add = async () => {
      harm()
      return (await person.fetch('/add')).status
    }
    await expect.poll(add, { interval: 50, timeout: 5000 }).toBe(500)
    expect(person.setCookies).toEqual([])
  }
  await expect.poll(async () => (await bob!.fetch('/')).status, { interval: 50, timeout: 5000 }).toBe(200)
}

const kinds: [string, Record<string, string>][] = [
  ['type = file', {}],
  ['type = file with fsync', { fsync: 'true' }],
  ['type = file in a format of Beaker', { format: 'beaker-1.11', timeout: '600' }],
]

describeWithDisk('when the disk', () => {
  describe.each(kinds)('of %s', (_, settings) => {
    it('is full and has space again, nothing said to be stored is lost, and nothing is left half done', async () => {
      const disk = mountDisk()
      const data_dir = join(disk.directory, 'data')
      const crowd = await gather({ type: 'file', data_dir, ...settings })
      const stored = await addWhile(crowd.people, async () => {
        await expectReadOnly(crowd, disk.fill)
        await pause(300)
        disk.free()
      })
      expect(Math.min(...stored)).toBeGreaterThan(0)
      await expectRecovered(crowd.people, stored)
      expect(leftovers(data_dir)).toEqual([])
    })

    it('becomes read-only and writable again, nothing said to be stored is lost', async () => {
      const disk = mountDisk()
      const data_dir = join(disk.directory, 'data')
      const crowd = await gather({ type: 'file', data_dir, ...settings })
      const stored = await addWhile(crowd.people, async () => {
        await expectReadOnly(crowd, () => disk.setReadOnly(true))
        await pause(300)
        disk.setReadOnly(false)
      })
      expect(Math.min(...stored)).toBeGreaterThan(0)
      await expectRecovered(crowd.people, stored)
      expect(leftovers(data_dir)).toEqual([])
    })
  })

  it('of type = ext:database with SQLite is full and has space again, nothing said to be stored is lost', async () => {
    // Its log alone grows to 4 MB.
    const disk = mountDisk('12m')
    const url = `sqlite:///${join(disk.directory, 'sessions.db')}`
    const crowd = await gather({ type: 'ext:database', url })
    const stored = await addWhile(crowd.people, async () => {
      disk.fill()
      await pause(300)
      disk.free()
    })
    expect(Math.min(...stored)).toBeGreaterThan(0)
    await expectRecovered(crowd.people, stored)
  })
})

describe('when the directory of type = file', () => {
  it('vanishes, requests fail or begin anew, and it is used again when it is back', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'sessd-'))
    onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
    const data_dir = join(parent, 'data')
    const { people } = await gather({ type: 'file', data_dir }, 1)
    const bob = people[0]!
    const cookie = bob.jar.get('sid')!
    renameSync(data_dir, `${data_dir}-away`)
    expect([200, 500]).toContain((await bob.fetch('/')).status)
    rmSync(data_dir, { recursive: true, force: true })
    renameSync(`${data_dir}-away`, data_dir)
    bob.jar.set('sid', cookie)
    await expect.poll(() => bob.get('/'), { interval: 50, timeout: 5000 }).toBe('1')
  })
})
