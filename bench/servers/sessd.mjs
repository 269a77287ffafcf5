// The INI files of our own servers: session in front, urlmap behind it, the app at /app, as `sessd serve` takes them.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const stores = {
  memory: () => ['type = memory'],
  file: (location) => ['type = file', `data_dir = ${location}`],
  sqlite: (location) => ['type = ext:database', `url = sqlite:///${location}/sessions.db`],
  redis: (location) => ['type = ext:redis', `url = ${location}`],
  memcached: (location) => ['type = ext:memcached', `url = ${location}`],
  postgres: (location) => ['type = ext:database', `url = ${location}`],
  'cookie-signed': () => ['type = cookie'],
  'cookie-encrypted': () => ['type = cookie', 'encrypt_key = a key of the bench, which is no secret at all'],
  'beaker-redis': (location) => [
    'type = ext:redis',
    `url = ${location}`,
    'format = beaker',
    'data_serializer = json',
  ],
  cluster: (location) => ['type = ext:rediscluster', `url = ${location}`],
  'beaker-file': (location) => [
    'type = file',
    `data_dir = ${location}`,
    'format = beaker',
    'data_serializer = json',
  ],
}

/** Writes the INI of one server into `directory`; answers its path. */
export function writeIni(directory, { store, location, data, workers = 1 }) {
  const app = fileURLToPath(new URL('sessd-app.js', import.meta.url))
  const file = join(directory, 'sessd.ini')
  const text = `[server:main]
use = egg:Paste#http
host = 127.0.0.1
port = 0
workers = ${workers}

[filter-app:main]
use = egg:Beaker#beaker_session
next = site
key = sid
secret = the bench needs no secret of its own, but 32 characters
${stores[store](location).join('\n')}

[composite:site]
use = egg:Paste#urlmap
/ = home
/app = app
/static = home

[app:app]
use = file:${app}#makeApp
data = ${JSON.stringify(data)}

[app:home]
use = egg:sessd#redirect
to = /app/plain
`
  writeFileSync(file, text)
  return file
}
