import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Watcher } from '../../src/cli/watcher.js'
import { emptyDirectory } from '../support/directory.js'

function watch() {
  const directory = emptyDirectory()
  const changes: (readonly string[])[] = []
  const troubles: string[] = []
  const watcher = new Watcher(
    (files) => changes.push(files),
    (sentence) => troubles.push(sentence),
  )
  onTestFinished(() => watcher.close())
  const path = (name: string) => join(directory, name)
  return {
    watcher,
    changes,
    troubles,
    path,
    seen: (count: number) => vi.waitFor(() => expect(changes).toHaveLength(count), 5000),
  }
}

test('tells of a file that was written, or replaced by a rename, again and again', async () => {
  const { watcher, changes, path, seen } = watch()
  writeFileSync(path('a.ini'), '1')
  watcher.add(path('a.ini'))
  for (const [index, text] of ['2', '3', '4'].entries()) {
    writeFileSync(path('new'), text)
    renameSync(path('new'), path('a.ini'))
    await seen(index + 1)
  }
  writeFileSync(path('a.ini'), '5')
  await seen(4)
  expect(changes).toEqual(Array(4).fill([path('a.ini')]))
})

test('tells of a link that is moved to another directory, as Kubernetes does', async () => {
  const { watcher, path, seen } = watch()
  for (const name of ['one', 'two']) {
    mkdirSync(path(name))
    writeFileSync(join(path(name), 'a.ini'), name)
  }
  symlinkSync('one', path('data'))
  symlinkSync('data/a.ini', path('a.ini'))
  watcher.add(path('a.ini'))
  symlinkSync('two', path('next'))
  renameSync(path('next'), path('data'))
  await seen(1)
})

test('says nothing of a file that is only touched, is gone for a while, or is none of ours', async () => {
  const { watcher, changes, path, seen } = watch()
  for (const name of ['a', 'b', 'other']) writeFileSync(path(name), '1')
  watcher.add(path('a'))
  watcher.add(path('b'))
  utimesSync(path('a'), 1, 1)
  renameSync(path('a'), path('gone'))
  writeFileSync(path('other'), '2')
  writeFileSync(path('b'), '2')
  await seen(1)
  expect(changes).toEqual([[path('b')]])
})

test('says so when a directory can not be watched', () => {
  const { watcher, troubles, path } = watch()
  watcher.add(path('none/a.ini'))
  expect(troubles).toEqual([`changes in ${path('none')} can't be watched: ENOENT`])
})
