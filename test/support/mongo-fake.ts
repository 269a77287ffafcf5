// A MongoDB server for the real driver: one database in memory, spoken to in OP_MSG. It knows the commands and the
// operators that the store uses, and answers an error for all others.

import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'

export interface MongoFake {
  readonly port: number
  /** `mongodb://127.0.0.1:port/test` */
  readonly url: string
  /** The documents of a collection. */
  documents(collection: string): readonly Document[]
  /** The indexes that were asked for, as `createIndexes` was told. */
  readonly indexes: readonly Document[]
  /** The names of the commands that came, but for those by which the driver watches the server. */
  readonly commands: readonly string[]
  /** Answers nothing from now on, and takes connections. */
  pause(): void
  /** Answers what came meanwhile, and all that comes. */
  resume(): void
  /** Cuts all connections and listens no more. */
  kill(): Promise<void>
  /** Listens again, on the same port, with the same documents. */
  restart(): Promise<void>
}

type Rows = Map<string, Document>

/** Starts one on a free port. */
export async function startMongoFake(): Promise<MongoFake> {
  const collections = new Map<string, Rows>()
  const indexes: Document[] = []
  const commands: string[] = []
  const sockets = new Set<Socket>()
  let waiting: (() => void)[] | undefined
  let server: Server | undefined

  function listen(port: number): Promise<number> {
    const starting = createServer((socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
      readMessages(socket, (message) => {
        const answer = () => socket.write(answerTo(message))
        if (waiting === undefined) answer()
        else waiting.push(answer)
      })
    })
    server = starting
    return new Promise((resolve, reject) => {
      starting.once('error', reject)
      starting.listen(port, '127.0.0.1', () => resolve((starting.address() as AddressInfo).port))
    })
  }

  function answerTo({ id, body, isLegacy }: Message): Buffer {
    const name = Object.keys(body)[0]!
    if (!WATCHING.has(name)) commands.push(name)
    const rows = collections.get(String(body[name])) ?? new Map<string, Document>()
    collections.set(String(body[name]), rows)
    const answer = run(name, body, rows)
    if (name === 'createIndexes') indexes.push(...body.indexes)
    return isLegacy ? encodeReply(id, answer) : encodeMessage(id, answer)
  }

  const port = await listen(0)
  return {
    port,
    url: `mongodb://127.0.0.1:${port}/test`,
    documents: (collection) => [...(collections.get(collection)?.values() ?? [])],
    indexes,
    commands,
    pause() {
      waiting = []
    },
    resume() {
      const answers = waiting ?? []
      waiting = undefined
      for (const answer of answers) answer()
    },
    async kill() {
      const gone = new Promise((resolve) => server?.close(resolve))
      for (const socket of sockets) socket.destroy()
      await gone
    },
    async restart() {
      await listen(port)
    },
  }
}

const WATCHING = new Set(['hello', 'isMaster', 'ismaster', 'endSessions'])

interface Message {
  readonly id: number
  readonly body: Document
  /** The very first message of a connection is an OP_QUERY, and wants an OP_REPLY. */
  readonly isLegacy: boolean
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013

function readMessages(socket: Socket, onMessage: (message: Message) => void): void {
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    while (bytes.length >= 16 && bytes.length >= bytes.readInt32LE(0)) {
      const message = bytes.subarray(0, bytes.readInt32LE(0))
      bytes = bytes.subarray(message.length)
      onMessage(decode(message))
    }
  })
}

const deserialize = (bytes: Uint8Array): Document => BSON.deserialize(bytes, { promoteBuffers: true })

function decode(message: Buffer): Message {
  const id = message.readInt32LE(4)
  if (message.readInt32LE(12) === OP_QUERY) {
    // flags, a name that ends with a zero, two numbers, the document
    return { id, body: deserialize(message.subarray(message.indexOf(0, 20) + 9)), isLegacy: true }
  }
  const body: Document = {}
  for (let at = 20; at < message.length; ) {
    const kind = message[at]
    const section = message.subarray(at + 1, at + 1 + message.readInt32LE(at + 1))
    at += 1 + section.length
    if (kind === 0) Object.assign(body, deserialize(section))
    else Object.assign(body, decodeSequence(section))
  }
  return { id, body, isLegacy: false }
}

function decodeSequence(section: Buffer): Document {
  const end = section.indexOf(0, 4)
  const documents: Document[] = []
  for (let at = end + 1; at < section.length; at += section.readInt32LE(at)) {
    documents.push(deserialize(section.subarray(at, at + section.readInt32LE(at))))
  }
  return { [section.toString('utf8', 4, end)]: documents }
}

function encodeMessage(to: number, answer: Document): Buffer {
  const body = BSON.serialize(answer)
  const head = Buffer.alloc(21)
  writeHead(head, to, head.length + body.length, OP_MSG)
  return Buffer.concat([head, body])
}

function encodeReply(to: number, answer: Document): Buffer {
  const body = BSON.serialize(answer)
  const head = Buffer.alloc(36)
  writeHead(head, to, head.length + body.length, OP_REPLY)
  head.writeInt32LE(1, 32)
  return Buffer.concat([head, body])
}

function writeHead(head: Buffer, to: number, length: number, code: number): void {
  head.writeInt32LE(length, 0)
  head.writeInt32LE(to, 8)
  head.writeInt32LE(code, 12)
}

const HELLO = {
  helloOk: true,
  isWritablePrimary: true,
  ismaster: true,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
  connectionId: 1,
  minWireVersion: 0,
  maxWireVersion: 21,
  readOnly: false,
}

function run(name: string, body: Document, rows: Rows): Document {
  switch (name) {
    case 'hello':
    case 'isMaster':
    case 'ismaster':
      return { ...HELLO, ok: 1 }
    case 'ping':
    case 'endSessions':
    case 'createIndexes':
      return { ok: 1 }
    case 'find':
      return find(body, rows)
    case 'update':
      return update(body.updates[0], rows)
    case 'delete':
      return remove(body.deletes[0], rows)
    default:
      return { ok: 0, errmsg: `no such command: '${name}'`, code: 59, codeName: 'CommandNotFound' }
  }
}

function find({ find: collection, filter, limit, $db }: Document, rows: Rows): Document {
  const found = [...rows.values()].filter((row) => matches(row, filter))
  const firstBatch = limit ? found.slice(0, limit) : found
  return { cursor: { id: BSON.Long.ZERO, ns: `${$db}.${collection}`, firstBatch }, ok: 1 }
}

function update({ q, u, upsert }: Document, rows: Rows): Document {
  const found = [...rows.values()].find((row) => matches(row, q))
  if (found === undefined && upsert !== true) return { n: 0, nModified: 0, ok: 1 }
  const change = u.$set ?? u
  if (found !== undefined) {
    const kept = u.$set === undefined ? { _id: found._id } : found
    rows.set(found._id, { ...kept, ...change })
    return { n: 1, nModified: 1, ok: 1 }
  }
  if (rows.has(q._id)) {
    const errmsg = `E11000 duplicate key error collection: test index: _id_ dup key: { _id: "${q._id}" }`
    return { n: 0, ok: 1, writeErrors: [{ index: 0, code: 11_000, errmsg }] }
  }
  rows.set(q._id, { _id: q._id, ...change })
  return { n: 1, nModified: 0, upserted: [{ index: 0, _id: q._id }], ok: 1 }
}

function remove({ q, limit }: Document, rows: Rows): Document {
  const found = [...rows.values()].filter((row) => matches(row, q))
  const gone = limit === 1 ? found.slice(0, 1) : found
  for (const { _id } of gone) rows.delete(_id)
  return { n: gone.length, ok: 1 }
}

function matches(row: Document, filter: Document): boolean {
  return Object.entries(filter).every(([field, condition]) => holds(row[field] ?? null, condition))
}

/** Whether a value is this one; or, for an object of operators, what they say about it. */
function holds(value: unknown, condition: unknown): boolean {
  if (!isOperators(condition)) return isSame(value, condition)
  return Object.entries(condition).every(([operator, operand]) => {
    switch (operator) {
      case '$lte':
        // Values of different kinds can't be compared.
        return typeOf(value) === typeOf(operand) && (value as number) <= (operand as number)
      case '$not':
        return !holds(value, operand)
      case '$in':
        return (operand as readonly unknown[]).some((one) => isSame(value, one))
      default:
        throw new Error(`the fake knows no ${operator}`)
    }
  })
}

function isOperators(condition: unknown): condition is Document {
  return (
    typeof condition === 'object' &&
    condition !== null &&
    Object.keys(condition).some((key) => key[0] === '$')
  )
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime()
  return a === b
}

function typeOf(value: unknown): string {
  return value instanceof Date ? 'date' : value === null ? 'null' : typeof value
}
