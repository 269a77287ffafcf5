// What a session costs when it is written by hand for these four pages, in the usual way, and promises nothing: no session
// ends, overlapping requests overwrite each other, the table grows for ever.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { answer, HELLO, heap, MADE, NOBODY, SECRET, uniqueData } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const key = createSecretKey(Buffer.from(SECRET.slice(0, 32)))
const unique = uniqueData(settings.data)

const sign = (text) => `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`

function isSigned(value) {
  const end = value.lastIndexOf('.')
  return end > 0 && sign(value.slice(0, end)) === value
}

/** Where the JSON of a session is, by the value of its cookie: each answers the text, or undefined. */
const kinds = {
  // A value that is in the table was signed by us.
  memory() {
    const rows = new Map()
    return {
      read: (value) => rows.get(value),
      write(value, text) {
        if (rows.has(value)) {
          rows.set(value, text)
          return undefined
        }
        const made = sign(randomId())
        rows.set(made, text)
        return made
      },
    }
  },
  'cookie-signed'() {
    const seen = newestOf(4096)
    return {
      read: (value) =>
        seen.get(value) ??
        (isSigned(value)
          ? Buffer.from(value.slice(0, value.lastIndexOf('.')), 'base64url').toString()
          : undefined),
      write(_value, text) {
        const made = sign(Buffer.from(text).toString('base64url'))
        seen.set(made, text)
        return made
      },
    }
  },
  'cookie-encrypted'() {
    const seen = newestOf(4096)
    return {
      read: (value) => seen.get(value) ?? decrypt(value),
      write(_value, text) {
        const made = encrypt(text)
        seen.set(made, text)
        return made
      },
    }
  },
}

function encrypt(text) {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  )
}

function decrypt(value) {
  try {
    const bytes = Buffer.from(value, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
    decipher.setAuthTag(bytes.subarray(-16))
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}

/** A table of two halves, of which the older one is dropped when the other is full. */
function newestOf(size) {
  let young = new Map()
  let old = new Map()
  return {
    get: (name) => young.get(name) ?? old.get(name),
    set(name, value) {
      if (young.size >= size) {
        old = young
        young = new Map()
      }
      young.set(name, value)
    },
  }
}

let pool = Buffer.alloc(0)
let used = 0

function randomId() {
  if (used === pool.length) {
    pool = randomBytes(4096)
    used = 0
  }
  used += 32
  return pool.base64urlSlice(used - 32, used)
}

const store = kinds[settings.store]()

/** Promised, as every session is: a store may have to be asked. */
async function load(req) {
  const { cookie } = req.headers
  const start = cookie?.startsWith('sid=') ? 4 : (cookie?.indexOf(' sid=') ?? -1) + 5
  if (cookie === undefined || start < 4) return { value: undefined, data: {} }
  const end = cookie.indexOf(';', start)
  const value = cookie.slice(start, end === -1 ? undefined : end)
  const text = store.read(value)
  return text === undefined ? { value: undefined, data: {} } : { value, data: JSON.parse(text) }
}

function save(res, { value, data }) {
  const made = store.write(value, JSON.stringify(data))
  if (made !== undefined) res.setHeader('set-cookie', `sid=${made}; Path=/; HttpOnly; SameSite=Lax`)
}

async function read(req, res) {
  const { data } = await load(req)
  answer(res, data.user ?? NOBODY)
}

async function count(req, res) {
  const session = await load(req)
  session.data.n = (session.data.n ?? 0) + 1
  save(res, session)
  answer(res, String(session.data.n))
}

async function create(req, res, data) {
  const session = await load(req)
  Object.assign(session.data, data)
  save(res, session)
  answer(res, MADE)
}

listen(
  createServer((req, res) => {
    switch (req.url) {
      case '/app/plain':
        return answer(res, HELLO)
      case '/app/read':
        return read(req, res)
      case '/app/count':
        return count(req, res)
      case '/app/new':
        return create(req, res, settings.data)
      case '/app/unique':
        return create(req, res, unique())
      case '/app/heap':
        return answer(res, heap())
    }
    res.statusCode = 404
    answer(res, 'no such page')
  }),
)
