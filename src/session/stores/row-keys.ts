// What rows are called in a backend that others use too: a prefix, the id, a suffix.

import { isId } from '../id.js'

export interface KeyNames {
  readonly prefix: string
  /** Default: none. */
  readonly suffix?: string | undefined
}

export interface RowKeys {
  /** Throws for what is no id. */
  keyOf(id: string): string
  /** The id in a key; undefined for the key of something else. */
  idOf(key: string): string | undefined
}

/** Throws for what is no id: no path, space, wildcard or line end gets past here. */
export function requireId(id: string): void {
  if (!isId(id)) throw new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
}

export function rowKeys({ prefix, suffix = '' }: KeyNames): RowKeys {
  return {
    keyOf(id) {
      requireId(id)
      return prefix + id + suffix
    },
    idOf(key) {
      if (!key.startsWith(prefix) || !key.endsWith(suffix)) return undefined
      const id = key.slice(prefix.length, key.length - suffix.length)
      return isId(id) ? id : undefined
    },
  }
}
