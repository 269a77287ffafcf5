import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, it } from 'vitest'
import { fileStore } from '../../../src/session/stores/file.js'
import { storeConformance } from '../../../src/session/testing.js'

let directory: string
afterEach(() => rmSync(directory, { recursive: true, force: true }))
const fresh = () => {
  directory = mkdtempSync(join(tmpdir(), 'sessd-file-'))
  return directory
}

describe('the file store conforms', () => {
  storeConformance({
    describe,
    it,
    open: (clock) => fileStore({ directory: fresh(), clock }),
    reopen: (clock) => fileStore({ directory, clock }),
  })
})

describe('the file store with bare files conforms', () => {
  const lifetime = 1_800_000
  storeConformance({
    describe,
    it,
    open: (clock) => fileStore({ directory: fresh(), clock, bare: true, lifetime }),
    reopen: (clock) => fileStore({ directory, clock, bare: true, lifetime }),
  })
})

describe('the file store with fsync conforms', () => {
  storeConformance({
    describe,
    it,
    open: (clock) => fileStore({ directory: fresh(), clock, fsync: true }),
    reopen: (clock) => fileStore({ directory, clock, fsync: true }),
  })
})
