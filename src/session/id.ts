// Session ids: 128 random bits as 32 hex digits, the shape of Beaker's, so that every format and file name can hold them.

import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16
const pool = Buffer.allocUnsafeSlow(ID_BYTES * 256)
let used = pool.length

/** A fresh id. Random bytes are fetched for 256 ids at a time, and wiped as they are used. */
export function makeId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const id = pool.toString('hex', used, used + ID_BYTES)
  pool.fill(0, used, used + ID_BYTES)
  used += ID_BYTES
  return id
}

const ID = /^[A-Za-z0-9_-]{1,128}$/

/** Whether a store may be asked for it: no path, no wildcard, no control character can hide in such an id. */
export function isId(id: string): boolean {
  return ID.test(id)
}
