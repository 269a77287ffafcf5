// Rows that are encrypted where they are stored: what the codec below writes, sealed.

import { type Codec, CorruptSession } from '../codec.js'
import type { CookieSeal } from './sealed-cookie.js'

/** `codec` behind `seal`. A row that doesn't open is corrupt: cut, changed, or sealed with other keys. */
export function sealedRows<E>(codec: Codec<E>, seal: CookieSeal): Codec<E> {
  return {
    ...codec,
    decode(payload) {
      const opened = seal.open(Buffer.from(payload).toString('latin1'))
      if (opened === null) throw new CorruptSession('a row that does not open with encrypt_key')
      return codec.decode(opened.row)
    },
    encode: (document) => Buffer.from(seal.seal(codec.encode(document)), 'latin1'),
  }
}
