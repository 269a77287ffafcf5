// What caches that serve several people must be told of an answer that is for one of them.

import type { ServerResponse } from 'node:http'

/** Adds a header's name to Vary: the answer depends on it. */
export function varyBy(res: ServerResponse, name: string): void {
  const vary = res.getHeader('Vary')
  if (vary === undefined) res.setHeader('Vary', name)
  else {
    const names = String(vary)
      .toLowerCase()
      .split(/\s*,\s*/)
    if (!names.includes('*') && !names.includes(name.toLowerCase())) res.setHeader('Vary', `${vary}, ${name}`)
  }
}

/** RFC 9111: a shared cache that stored the cookie would hand one visitor's session to others. */
export function keepFromSharedCaches(res: ServerResponse): void {
  const control = res.getHeader('Cache-Control')
  if (control === undefined) res.setHeader('Cache-Control', 'private')
  else if (!/\b(private|no-store)\b/i.test(String(control))) {
    const rest = String(control)
      .split(',')
      .map((directive) => directive.trim())
      .filter((directive) => !/^(public|s-maxage\b.*)$/i.test(directive) && directive !== '')
    res.setHeader('Cache-Control', ['private', ...rest].join(', '))
  }
}
