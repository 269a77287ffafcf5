import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fileStore } from '../../../src/session/stores/file.js'
import { FileLocks } from '../../../src/session/stores/file-lock.js'
import { describeWithDisk, mountDisk } from '../../support/disk.js'

const options = (expected: Uint8Array | null) => ({ expiresAt: null, expected })

describeWithDisk('on a disk', () => {
  test('that becomes read-only under a lock, the work counts, and the lock is free when the disk is back', async () => {
    const disk = mountDisk()
    const locks = new FileLocks(join(disk.directory, 'lock'))
    const held = () => readdirSync(locks.directory).filter((name) => name.endsWith('.lock'))
    const result = await locks.hold('abc', async () => {
      disk.setReadOnly(true)
      return 'done'
    })
    expect(result).toBe('done')
    expect(held()).toEqual(['abc.lock'])
    expect(() => locks.hold('abc', () => 'again')).toThrow('EROFS')
    disk.setReadOnly(false)
    expect(locks.hold('abc', () => 'again')).toBe('again')
    expect(held()).toEqual([])
    await locks.close()
  })

  test('that becomes read-only, the old row stays, and what was half done is gone when the disk is back', async () => {
    const disk = mountDisk()
    const store = fileStore({ directory: disk.directory, fsync: true })
    onTestFinished(() => store.close())
    await store.save('abc', Buffer.from('one'), options(null))
    const saving = store.save('abc', Buffer.from('two'), options(Buffer.from('one')))
    disk.setReadOnly(true)
    await expect(saving).rejects.toMatchObject({
      code: 'EROFS',
      message: `can't store sessions in ${disk.directory}: read-only file system (EROFS)`,
    })
    expect(readdirSync(join(disk.directory, 'tmp'))).toHaveLength(1)
    expect(Buffer.from((await store.load('abc'))!.payload).toString()).toBe('one')
    disk.setReadOnly(false)
    const again = await store.save('abc', Buffer.from('two'), options(Buffer.from('one')))
    expect(again.saved).toBe(true)
    expect(readdirSync(join(disk.directory, 'tmp'))).toEqual([])
  })

  test('that is full from the start, saving works as soon as there is space', async () => {
    const disk = mountDisk()
    disk.fill()
    const store = fileStore({ directory: join(disk.directory, 'sessions') })
    onTestFinished(() => store.close())
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(async () => store.save('abc', Buffer.from('one'), options(null))).rejects.toMatchObject({
        code: 'ENOSPC',
      })
    }
    disk.free()
    expect((await store.save('abc', Buffer.from('one'), options(null))).saved).toBe(true)
    const [card] = readdirSync(join(disk.directory, 'sessions', 'lock'))
    const content = readFileSync(join(disk.directory, 'sessions', 'lock', card!), 'latin1')
    expect(`${content}.owner`).toBe(card)
  })
})
