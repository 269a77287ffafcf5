// Which addresses are those of proxies whose word counts. What they say is read in forwarded.ts.

import { BlockList, isIP, isIPv6 } from 'node:net'

/** Whether an address is a trusted proxy's; '' is the other end of a unix socket. */
export type TrustedProxies = (address: string) => boolean

const WORD = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/

/** Addresses and networks with spaces or commas between: `10.0.0.0/8 ::1 loopback unix`, or `*` for everybody. */
export const trustedProxies = {
  expected: 'addresses of proxies as in 10.0.0.0/8, 127.0.0.1, fd00::/8, loopback, unix or *',
  parse(text: string): TrustedProxies | undefined {
    const words = text.split(/[\s,]+/).filter((word) => word !== '')
    if (words.length === 0) return undefined
    const list = new BlockList()
    for (const word of words.flatMap((word) => (word === 'loopback' ? ['127.0.0.0/8', '::1'] : [word]))) {
      if (word === '*' || word === 'unix') continue
      if (!add(list, word)) return undefined
    }
    if (words.includes('*')) return () => true
    const unix = words.includes('unix')
    return (address) => {
      if (address === '') return unix
      return isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
    }
  },
  accepts: (value: unknown): value is TrustedProxies => typeof value === 'function',
}

function add(list: BlockList, word: string): boolean {
  const [, address = '', digits] = WORD.exec(word) ?? []
  const version = isIP(address)
  if (version === 0) return false
  const bits = version === 6 ? 128 : 32
  const prefix = digits === undefined ? bits : Number(digits)
  if (prefix > bits) return false
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
  return true
}
