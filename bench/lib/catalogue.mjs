// All servers of the session bench: what they are called, how they start, and what ours may cost.
// A name is `library:store`, where cookie stores end in the bytes that a session has as JSON.

import { fileURLToPath } from 'node:url'
import { writeIni } from '../servers/sessd.mjs'
import { leave } from './arguments.mjs'
import { sessionData } from './numbers.mjs'

const path = (name) => fileURLToPath(new URL(`../servers/${name}`, import.meta.url))
const cli = fileURLToPath(new URL('../../bin/sessd.js', import.meta.url))

const node = (script) => (settings) => [process.execPath, path(script), JSON.stringify(settings)]
// Debian's, which has its packages; another python3 on the path may not.
const python = (script) => (settings) => ['/usr/bin/python3', path(script), JSON.stringify(settings)]
/** The command line of our own server; its INI goes to `directory`. */
export const makeSessdCommand = (settings, directory) => [
  process.execPath,
  cli,
  'serve',
  writeIni(directory, settings),
]

/** What a request of ours may cost over bare node:http, from the issue: plain, read, count, new. */
const budgets = {
  memory: [1.03, 1.1, 1.2, 1.4],
  redis: [1.03, 1.4, 1.8, 1.9],
  sqlite: [1.03, 1.45, 2, 3],
  postgres: [1.03, 2, 3, 3],
  file: [1.03, 1.4, 15, 7],
  'cookie-signed-200': [1.03, 1.15, 1.6, 1.5],
  'cookie-encrypted-200': [1.03, 1.2, 2, 1.8],
  'cookie-encrypted-2000': [1.03, 1.4, 3, 2.6],
  'beaker-redis': [1.03, 2.5, 4],
}

/** The pages, and the words for them that arguments may use. */
export const workloads = { plain: ['untouched'], read: [], count: ['save'], new: [] }

function entry(product, store, command, { needs, bytes = 200, kind = store } = {}) {
  const limits = product === 'sessd' ? (budgets[store] ?? [1.03]) : []
  const budget = Object.fromEntries(Object.keys(workloads).map((name, i) => [name, limits[i]]))
  const runtime = product === 'beaker' ? 'python' : 'node'
  return { name: `${product}:${store}`, product, store, kind, bytes, runtime, needs, command, budget }
}

const sizes = [200, 2000, 3500]

export const bare = { ...entry('bare', 'none', node('bare.mjs')), name: 'bare' }

export const servers = [
  entry('sessd', 'memory', makeSessdCommand),
  entry('by-hand', 'memory', node('by-hand.mjs')),
  entry('express-session', 'memory', node('connect.mjs')),
  entry('express', 'memory', node('express.mjs')),
  entry('fastify-session', 'memory', node('fastify.mjs')),
  entry('koa-session', 'memory', node('koa.mjs')),
  entry('beaker', 'memory', python('beaker_server.py')),

  entry('sessd', 'file', makeSessdCommand, { needs: 'directory' }),
  entry('express-session', 'file', node('connect.mjs'), { needs: 'directory' }),
  entry('sessd', 'beaker-file', makeSessdCommand, { needs: 'directory' }),
  entry('beaker', 'file', python('beaker_server.py'), { needs: 'directory' }),

  entry('sessd', 'redis', makeSessdCommand, { needs: 'redis' }),
  entry('express-session', 'redis', node('connect.mjs'), { needs: 'redis' }),
  entry('sessd', 'beaker-redis', makeSessdCommand, { needs: 'redis' }),
  entry('beaker', 'redis', python('beaker_server.py'), { needs: 'redis' }),

  entry('sessd', 'memcached', makeSessdCommand, { needs: 'memcached' }),

  entry('sessd', 'sqlite', makeSessdCommand, { needs: 'directory' }),
  entry('express-session', 'sqlite', node('connect.mjs'), { needs: 'directory' }),

  entry('sessd', 'postgres', makeSessdCommand, { needs: 'postgres' }),
  entry('express-session', 'postgres', node('connect.mjs'), { needs: 'postgres' }),

  ...sizes.flatMap((bytes) => [
    entry('sessd', `cookie-signed-${bytes}`, makeSessdCommand, { bytes, kind: 'cookie-signed' }),
    entry('by-hand', `cookie-signed-${bytes}`, node('by-hand.mjs'), { bytes, kind: 'cookie-signed' }),
    entry('cookie-session', `cookie-signed-${bytes}`, node('cookie-session.mjs'), { bytes, kind: 'cookie' }),
    entry('koa-session', `cookie-signed-${bytes}`, node('koa.mjs'), { bytes, kind: 'cookie' }),
    entry('beaker', `cookie-signed-${bytes}`, python('beaker_server.py'), { bytes, kind: 'cookie-signed' }),
  ]),
  ...sizes.flatMap((bytes) => [
    entry('sessd', `cookie-encrypted-${bytes}`, makeSessdCommand, { bytes, kind: 'cookie-encrypted' }),
    entry('by-hand', `cookie-encrypted-${bytes}`, node('by-hand.mjs'), { bytes, kind: 'cookie-encrypted' }),
    entry('fastify-secure-session', `cookie-encrypted-${bytes}`, node('fastify.mjs'), {
      bytes,
      kind: 'cookie',
    }),
    entry('iron-session', `cookie-encrypted-${bytes}`, node('iron-session.mjs'), { bytes, kind: 'cookie' }),
    entry('beaker', `cookie-encrypted-${bytes}`, python('beaker_server.py'), {
      bytes,
      kind: 'cookie-encrypted',
    }),
  ]),
]

/**
 * Those that a list of words names: a whole name, a library, or how a store's name begins. Ends the process for
 * a word that names none.
 */
export function select(words) {
  if (words === undefined) return servers
  const wanted = words.split(',').filter(Boolean)
  const names = ({ name, product, store }, word) =>
    word === name ||
    word === product ||
    store.startsWith(word) ||
    (word.includes(':') && name.startsWith(word))
  for (const word of wanted) {
    if (!servers.some((server) => names(server, word))) {
      leave(`--only: no server is called ${word}: there are ${servers.map(({ name }) => name).join(', ')}`)
    }
  }
  return servers.filter((server) => wanted.some((word) => names(server, word)))
}

/** The pages that a list of words names. */
export function selectWorkloads(words) {
  if (words === undefined) return Object.keys(workloads)
  return words
    .split(',')
    .filter(Boolean)
    .map((word) => {
      const [name] =
        Object.entries(workloads).find(([name, others]) => name === word || others.includes(word)) ?? []
      if (name === undefined)
        leave(`--workloads: none is called ${word}: there are untouched, read, save, new`)
      return name
    })
}

/** The settings of one server, where `location` is what the backend gave. */
export function settingsOf({ kind, bytes }, location) {
  return { store: kind, location, data: sessionData(bytes) }
}
