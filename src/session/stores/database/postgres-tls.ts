// TLS to PostgreSQL, as the arguments of an url in libpq's words ask for it.

import { readFile } from 'node:fs/promises'
import { OptionError } from '../../../config/errors.js'

export type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full'

/** As libpq names them; what it calls `allow` and `prefer` promises nothing. Throws OptionError for other words. */
export function sslMode(text: string | undefined): SslMode {
  if (text === undefined || text === 'allow' || text === 'prefer') return 'disable'
  if (text === 'disable' || text === 'require' || text === 'verify-ca' || text === 'verify-full') return text
  throw new OptionError('url', 'sslmode: expected disable, require, verify-ca or verify-full')
}

/** What pg takes as `ssl`. Rejects when a file can't be read. */
export async function tlsFor(
  mode: SslMode,
  files: { sslrootcert: string | undefined; sslcert: string | undefined; sslkey: string | undefined },
): Promise<object | false> {
  if (mode === 'disable') return false
  const [ca, cert, key] = await Promise.all(
    [files.sslrootcert, files.sslcert, files.sslkey].map((path) => path && readFile(path)),
  )
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    // libpq's rule: with a root certificate at hand, `require` checks against it.
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  }
}
