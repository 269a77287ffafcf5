// Base64 as Python's b64decode reads it: the standard alphabet, other characters dropped, padding required.

import { CorruptSession } from '../codec.js'

/** Throws CorruptSession where Python raises binascii.Error. */
export function decodeBase64(text: string): Buffer {
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, 'base64')
  return Buffer.from(alphabetOnly(text), 'base64')
}

/** What counts of a text that is not as b64encode would write it. */
function alphabetOnly(text: string): string {
  let data = ''
  let padding = 0
  // `-` and `_`, which Node takes for `+` and `/`, are foreign characters to Python.
  for (const [run] of text.matchAll(/[A-Za-z0-9+/]+|=/g)) {
    const quad = data.length % 4
    if (run !== '=') {
      data += run
      padding = 0
    } else if (quad >= 2 && quad + ++padding >= 4) {
      return data
    }
  }
  if (data.length % 4 !== 0) throw new CorruptSession('base64 without its padding')
  return data
}
