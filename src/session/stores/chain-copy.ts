// What a near store of a chain keeps: the row of the last store with the revision and the expiry that it has there, and
// until when that is believed. One line of JSON, then the payload.

import type { Revision, StoredSession } from '../store.js'

export interface Copy {
  readonly row: StoredSession
  /** Epoch milliseconds. */
  readonly until: number
}

/** Revision in JSON: its type, and its text; the payload itself is a revision of many stores. */
type RevisionForm = ['payload'] | ['bytes' | 'string' | 'number' | 'bigint', string]

const LINE_FEED = 10

export function encodeCopy({ row, until }: Copy): Uint8Array {
  const { payload, revision, expiresAt } = row
  const line = `${JSON.stringify([until, expiresAt, formOf(revision, payload)])}\n`
  const size = Buffer.byteLength(line)
  const bytes = Buffer.allocUnsafe(size + payload.length)
  bytes.write(line)
  bytes.set(payload, size)
  return bytes
}

/** Throws for bytes that are no copy. */
export function decodeCopy(copy: Uint8Array): Copy {
  const bytes = Buffer.from(copy.buffer, copy.byteOffset, copy.length)
  const end = bytes.indexOf(LINE_FEED)
  const line: unknown = JSON.parse(bytes.toString('utf8', 0, end))
  if (!Array.isArray(line)) throw new SyntaxError('no copy of a chain')
  const [until, expiresAt, form] = line as [number, number | null, RevisionForm]
  const payload = bytes.subarray(end + 1)
  return { row: { payload, revision: revisionFrom(form, payload), expiresAt }, until }
}

function formOf(revision: Revision, payload: Uint8Array): RevisionForm {
  if (typeof revision === 'string') return ['string', revision]
  if (typeof revision === 'number') return ['number', String(revision)]
  if (typeof revision === 'bigint') return ['bigint', String(revision)]
  if (Buffer.compare(revision, payload) === 0) return ['payload']
  return ['bytes', Buffer.from(revision).toString('base64')]
}

function revisionFrom([kind, text = '']: RevisionForm, payload: Uint8Array): Revision {
  switch (kind) {
    case 'payload':
      return payload
    case 'bytes':
      return Buffer.from(text, 'base64')
    case 'string':
      return text
    case 'number':
      return Number(text)
    case 'bigint':
      return BigInt(text)
  }
}
