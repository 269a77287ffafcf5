// A certificate for localhost and 127.0.0.1 that nobody trusts, with its key.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '..', 'fixtures', 'tls')

export const testCertificate = {
  cert: readFileSync(join(folder, 'cert.pem')),
  key: readFileSync(join(folder, 'key.pem')),
}
