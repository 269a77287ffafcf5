// Arrays as parameters of a PostgreSQL statement: of text in text, of bytes in PostgreSQL's binary format, where every
// byte is sent as it is. The driver would write two hexadecimal digits for it, and the server read them.

const BYTEA = 17
/** Dimensions, flags, the type of the elements; elements in the only dimension, the number of the first. */
const HEADER_SIZE = 20

/** An array literal of texts that hold neither quotes nor backslashes: ids, numbers and times do not. */
export function textArray(texts: readonly (string | number)[]): string {
  return texts.length === 0 ? '{}' : `{"${texts.join('","')}"}`
}

/** A `bytea[]` as its receive function reads it (array_recv in the server's arrayfuncs.c). */
export function bytesArray(items: readonly Uint8Array[]): Buffer {
  let size = HEADER_SIZE
  for (const { length } of items) size += 4 + length
  const array = Buffer.allocUnsafe(size)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(0, 4)
  array.writeInt32BE(BYTEA, 8)
  array.writeInt32BE(items.length, 12)
  array.writeInt32BE(1, 16)
  let position = HEADER_SIZE
  for (const bytes of items) {
    position = array.writeInt32BE(bytes.length, position)
    array.set(bytes, position)
    position += bytes.length
  }
  return array
}
