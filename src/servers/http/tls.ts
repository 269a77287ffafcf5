// The certificate of a server and its key, from files that may be renewed while it runs.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { OptionError } from '../../config/errors.js'

/** The files, by the settings that name them. A file may hold both. */
export interface TlsFiles {
  readonly cert: { readonly option: string; readonly file: string }
  readonly key: { readonly option: string; readonly file: string }
}

export interface Certificate {
  readonly cert: string
  readonly key: string
}

interface Given {
  readonly tls_cert: string | undefined
  readonly tls_key: string | undefined
  readonly ssl_pem: string | undefined
}

/** Which files the settings name, from `directory` on; undefined: no TLS. Throws OptionError. */
export function tlsFiles({ tls_cert, tls_key, ssl_pem }: Given, directory: string): TlsFiles | undefined {
  const at = (option: string, file: string) => ({ option, file: resolve(directory, file) })
  if (ssl_pem !== undefined) {
    if (tls_cert !== undefined || tls_key !== undefined)
      throw new OptionError('ssl_pem', 'says the same as tls_cert and tls_key: give either it or them')
    if (ssl_pem.trim() === '*')
      throw new OptionError('ssl_pem', 'expected a file; no certificate is made up, as Paste does for *')
    return { cert: at('ssl_pem', ssl_pem), key: at('ssl_pem', ssl_pem) }
  }
  if (tls_cert === undefined) {
    if (tls_key !== undefined) throw new OptionError('tls_key', 'needs tls_cert beside it')
    return undefined
  }
  return {
    cert: at('tls_cert', tls_cert),
    key: at(tls_key === undefined ? 'tls_cert' : 'tls_key', tls_key ?? tls_cert),
  }
}

/** Reads the files and sees whether they fit together. Throws OptionError; nothing of a key is ever in it. */
export function readCertificate({ cert, key }: TlsFiles): Certificate {
  const certificate = { cert: read(cert), key: read(key) }
  try {
    // Loaded only where it is needed, as node:https and node:http2 are: a start without them is 15 ms faster.
    process.getBuiltinModule('node:tls').createSecureContext(certificate)
  } catch (error) {
    const reason =
      (error as { reason?: unknown }).reason ?? (error as { code?: unknown }).code ?? 'unreadable'
    throw new OptionError(
      key.option,
      `expected a certificate in ${cert.file} and its key in ${key.file}, both PEM (OpenSSL: ${String(reason)})`,
    )
  }
  return certificate
}

function read({ option, file }: TlsFiles['cert']): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new OptionError(option, `can't read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
