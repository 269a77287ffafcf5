// What writeHead may be given, made headers of the response: objects, flat lists and lists of pairs.

import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/**
 * Moves what writeHead was given into the response, as Node does when it writes a head: headers given here replace those
 * of the same name, pairs of one name are all kept. Answers the arguments that are left: status and reason.
 */
export function takeHead(res: ServerResponse, args: unknown[]): unknown[] {
  const [status, reasonOrHeaders] = args
  const reason = typeof reasonOrHeaders === 'string' ? reasonOrHeaders : undefined
  const headers = (reason === undefined && reasonOrHeaders != null ? reasonOrHeaders : args[2]) as
    | OutgoingHttpHeaders
    | readonly unknown[]
    | null
    | undefined
  if (Array.isArray(headers)) takePairs(res, headers)
  else if (headers != null) {
    for (const [name, value] of Object.entries(headers)) {
      if (name !== '') res.setHeader(name, value as OutgoingHttpHeader as string)
    }
  }
  return reason === undefined ? [status] : [status, reason]
}

/** `[name, value, name, value]` or `[[name, value], ...]`. */
function takePairs(res: ServerResponse, list: readonly unknown[]): void {
  const nested = Array.isArray(list[0])
  if (!nested && list.length % 2 !== 0) {
    throw Object.assign(new TypeError('writeHead expects an even number of names and values'), {
      code: 'ERR_INVALID_ARG_VALUE',
    })
  }
  const pairs: [string, string | string[]][] = []
  if (nested) for (const pair of list) pairs.push(pair as [string, string])
  else for (let i = 0; i < list.length; i += 2) pairs.push([list[i] as string, list[i + 1] as string])
  for (const [name] of pairs) res.removeHeader(name)
  for (const [name, value] of pairs) res.appendHeader(name, typeof value === 'number' ? `${value}` : value)
}
