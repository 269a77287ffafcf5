// What a row means. A codec turns bytes into a Document and back; values stay encoded, one by one, until somebody asks
// for them: a request that reads one key decodes one key, and a key that nobody touched is written back byte for byte.

/**
 * A decoded row. `E` is the codec's own form of one encoded value (JSON text, pickle opcodes).
 * Times are epoch milliseconds, or null when the row doesn't say.
 */
export interface Document<E> {
  created: number | null
  /** The access that was recorded last. */
  accessed: number | null
  /** The app's data, encoded value by value, in stored order. Never holds the format's own keys. */
  values: ReadonlyMap<string, E>
  /** `_domain` and `_path` of Beaker: what the session itself says about its cookie. undefined: says nothing. */
  domain?: string | null | undefined
  path?: string | null | undefined
  /** Whom the session is bound to. Only our own format has a place for it. undefined: nobody. */
  user?: string | undefined
  /**
   * The id that the row itself carries: `_id` of Beaker's cookie sessions, and our own. undefined: says nothing.
   * Rows in a store are known by the store's key; there it is nothing to trust.
   */
  id?: string | undefined
}

export interface Codec<E> {
  /** Throws CorruptSession for bytes that are no row of this format. Never runs code, never touches prototypes. */
  decode(payload: Uint8Array): Document<E>
  encode(document: Document<E>): Uint8Array
  /** One value, decoded afresh: the caller may change it. */
  thaw(encoded: E): unknown
  /** One value, encoded. Throws UnstorableValue when the format can't hold it. */
  freeze(key: string, value: unknown): E
  /** Whether two encoded values mean the same, though their bytes may differ. */
  same(a: E, b: E): boolean
}

/** The bytes of a row are not what the format says. `reason` never quotes the row. */
export class CorruptSession extends Error {
  override readonly name = 'CorruptSession'
}

/**
 * The row is sound but holds something that can't be represented (a Python object, say): it can be read in part or not
 * at all, and must never be written over.
 */
export class ForeignSession extends Error {
  override readonly name = 'ForeignSession'
  /** What could be read of it, for looking only: to encode it would drop the rest. undefined: nothing. */
  readonly readable: Document<unknown> | undefined

  constructor(reason: string, readable?: Document<unknown>) {
    super(reason)
    this.readable = readable
  }
}

/** A value that the format can't hold: circular, a function, a Date under JSON. Names the path to it, not the value. */
export class UnstorableValue extends TypeError {
  override readonly name = 'UnstorableValue'
  /** Where it is: `cart.items[2]`. */
  readonly path: string

  constructor(path: string, reason: string) {
    super(`session value ${path}: ${reason}`)
    this.path = path
  }
}
