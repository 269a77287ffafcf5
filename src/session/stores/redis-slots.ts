// Which slot of a cluster a key is in, as Redis counts it: CRC-16/XMODEM of what stands in braces, else of all.

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

/** Of 0 to 16383. */
export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open === -1 ? -1 : key.indexOf('}', open + 1)
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (let index = 0; index < hashed.length; index++) {
    const code = hashed.charCodeAt(index)
    // Keys are ASCII, but for what somebody may have put into a prefix.
    if (code > 127) return crc16(Buffer.from(hashed)) % 16_384
    crc = ((crc << 8) ^ TABLE[(crc >>> 8) ^ code]!) & 0xffff
  }
  return crc % 16_384
}

function crc16(bytes: Uint8Array): number {
  return bytes.reduce((crc, byte) => ((crc << 8) ^ TABLE[(crc >>> 8) ^ byte]!) & 0xffff, 0)
}
