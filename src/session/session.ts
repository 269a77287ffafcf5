// The session as apps see it: a synchronous dictionary whose keys are data (any string), and verbs that say what shall
// happen to it. Nothing is stored before save(), unless `auto` is set.

import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Updater } from './change.js'
import type { SessionState } from './state.js'

/** Key of the CSRF token and prefix of the flash queues, as pyramid_beaker keeps them. */
const CSRF_KEY = '_csrft_'
const FLASH_PREFIX = '_f_'

type Data = Record<string, unknown>
type Key<T> = keyof T & string

/** One session of one request. `T` tells the compiler what is in it; nothing is checked at run time. */
export class Session<T extends object = Data> {
  readonly #state: SessionState

  /** Made by engines; apps get theirs from `getSession(req)`. */
  constructor(state: SessionState) {
    this.#state = state
  }

  /** Changes when the session is ended or regenerated. Not for logs. */
  get id(): string {
    return this.#state.id
  }

  /** Whether it was made in this request. */
  get isNew(): boolean {
    return this.#state.isNew
  }

  /** When it was made, epoch milliseconds; null when new. */
  get created(): number | null {
    return this.#state.isNew ? null : this.#state.data.base.created
  }

  /** The access before this one, epoch milliseconds; null when new. Without `timeout`: the last write. */
  get lastAccessed(): number | null {
    return this.#state.lastAccessed
  }

  get<K extends Key<T>>(key: K): T[K] | undefined {
    return this.#state.data.get(key) as T[K] | undefined
  }

  /** Kept when saved. Values are what JSON holds; `undefined` removes the key. */
  set<K extends Key<T>>(key: K, value: T[K]): this {
    this.#state.data.set(key, value)
    return this
  }

  has(key: Key<T>): boolean {
    return this.#state.data.has(key)
  }

  /** Removes one key; answers whether it was there. */
  unset(key: Key<T>): boolean {
    return this.#state.data.unset(key)
  }

  /** Removes every key, also those that others add before this is stored. The session itself goes on. */
  clear(): void {
    this.#state.data.clear()
  }

  keys(): IterableIterator<Key<T>> {
    return this.#state.data.keys() as IterableIterator<Key<T>>
  }

  *entries(): IterableIterator<[Key<T>, T[Key<T>]]> {
    for (const key of this.keys()) yield [key, this.get(key) as T[Key<T>]]
  }

  [Symbol.iterator](): IterableIterator<[Key<T>, T[Key<T>]]> {
    return this.entries()
  }

  get size(): number {
    let size = 0
    for (const _ of this.#state.data.keys()) size++
    return size
  }

  /** The data as a plain object. */
  toJSON(): T {
    return Object.fromEntries(this.entries()) as T
  }

  /**
   * Changes one value on whatever is newest: `fn` gets the value (or undefined) and gives the new one (undefined
   * removes it). It runs now, and again at commit if another request was first; so it must not have side effects.
   * Implies save(). Answers the value as this request sees it.
   */
  update<K extends Key<T>>(key: K, fn: (value: T[K] | undefined) => T[K] | undefined): T[K] | undefined {
    const value = this.#state.data.update(key, fn as Updater)
    this.save()
    return value as T[K] | undefined
  }

  /** Marks the session to be stored before the response leaves. */
  save(): void {
    this.#state.requestSave()
  }

  /** Stores what was changed up to now, at once. Rejects when that can't be done. */
  async persist(): Promise<void> {
    this.#state.requestSave()
    await this.#state.commit()
  }

  /** Back to what was loaded or stored last; nested values too. */
  revert(): void {
    this.#state.data.revert()
    this.#state.saveRequested = false
  }

  /** Loads what is stored now, dropping changes of this request. Ended elsewhere: the session is empty. */
  async reload(): Promise<void> {
    await this.#state.reload()
  }

  /**
   * Waits until no other request holds this session, and loads it anew; others that call lock() wait until the response's
   * head leaves, or unlock(). Only for work that merging can't save: a change needs no lock. Rejects with LockTimeout.
   */
  async lock(): Promise<void> {
    await this.#state.lock()
    await this.reload()
  }

  /** Lets the next one go before the response leaves. */
  async unlock(): Promise<void> {
    await this.#state.unlock()
  }

  /** Same data, new id: call it when somebody logs in. The old id is dead as soon as this is stored. Implies save(). */
  regenerateId(): void {
    this.#state.move()
  }

  /** Ends the session and goes on with a new, empty one. Needs no save(). */
  invalidate(): void {
    this.#state.end()
  }

  /** Ends the session: log-out. Needs no save(). To remove one key, use unset(key). */
  delete(...args: never[]): void {
    if (args.length > 0) {
      throw new TypeError(
        'session.delete() ends the whole session and takes no argument: use unset(key) for one key',
      )
    }
    this.#state.end()
  }

  /** The Domain of this session's cookie, kept with the session; null: none. Setting it sends the cookie anew; implies save(). */
  get domain(): string | null | undefined {
    return this.#state.data.domain
  }

  set domain(value: string | null) {
    this.#state.data.domain = value
    this.#state.cookie = 'set'
    this.save()
  }

  /** The Path of this session's cookie, kept with the session. Setting it sends the cookie anew; implies save(). */
  get path(): string | null | undefined {
    return this.#state.data.path
  }

  set path(value: string) {
    this.#state.data.path = value
    this.#state.cookie = 'set'
    this.save()
  }

  /** Whom the session is bound to; undefined: nobody. */
  get user(): string | undefined {
    return this.#state.data.user
  }

  /**
   * Binds the session to a user, so that `sessionsOf(user)` lists it and `revokeAll(user)` ends it. `device` is what
   * such a list shows, if anything ("Firefox on Linux"). Implies save(). Throws where sessions can't be bound.
   */
  bindUser(user: string, device?: string): void {
    this.#state.bind(user, device)
  }

  /** Leaves a message for the next page, under pyramid's key names. Implies save(). */
  flash(message: unknown, queue = ''): void {
    this.#state.data.update(FLASH_PREFIX + queue, (messages) => [...asList(messages), message])
    this.save()
  }

  /** Takes the messages of a queue, oldest first. Implies save() if there were any. */
  popFlash(queue = ''): unknown[] {
    const messages = this.peekFlash(queue)
    if (messages.length > 0) {
      this.#state.data.update(FLASH_PREFIX + queue, (newest) => {
        const list = asList(newest)
        // Another request may have taken them, and have left others.
        const isOurs = (message: unknown, index: number) => isDeepStrictEqual(message, messages[index])
        const taken = list.findIndex((message, index) => index >= messages.length || !isOurs(message, index))
        return taken === -1 ? undefined : list.slice(taken)
      })
      this.save()
    }
    return messages
  }

  /** The messages of a queue, left where they are. */
  peekFlash(queue = ''): unknown[] {
    return asList(this.#state.data.get(FLASH_PREFIX + queue))
  }

  /** The session's CSRF token: 40 hex digits, made on first use. */
  csrfToken(): string {
    const token = this.#state.data.get(CSRF_KEY)
    return typeof token === 'string' ? token : this.newCsrfToken()
  }

  /** Replaces the CSRF token. Implies save(). */
  newCsrfToken(): string {
    const token = randomBytes(20).toString('hex')
    this.#state.data.set(CSRF_KEY, token)
    this.save()
    return token
  }
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
