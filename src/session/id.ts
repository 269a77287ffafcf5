// Session ids: 128 random bits as 32 hex digits, the shape of Beaker's, so that every format and file name can hold them.

import { RandomPool } from './random-pool.js'

const pool = new RandomPool(16)
const bytes = Buffer.alloc(16)

/** A fresh id. */
export function makeId(): string {
  pool.take(bytes, 0)
  const id = bytes.toString('hex')
  bytes.fill(0)
  return id
}

const ID = /^[A-Za-z0-9_-]{1,128}$/

/** Whether a store may be asked for it: no path, no wildcard, no control character can hide in such an id. */
export function isId(id: string): boolean {
  return ID.test(id)
}
