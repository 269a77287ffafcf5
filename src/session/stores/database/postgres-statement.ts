// A statement as pg's `client.query()` takes it from others, too: pg-cursor is one. It asks for no description of its
// rows and makes no objects of them, which would cost more than all the rest of a load.

/** What we use of pg's `Connection`: each call sends one message of the protocol. */
export interface Connection {
  readonly stream: { cork(): void; uncork(): void }
  query(text: string): void
  parse(message: { readonly name: string; readonly text: string }): void
  bind(message: { readonly statement: string; readonly values: readonly Parameter[] }): void
  execute(message: Record<never, never>): void
  sync(): void
}

/** Bytes are sent in binary format, all else as text. */
export type Parameter = string | Buffer

export interface StatementOptions {
  readonly text: string
  /** Without parameters the text may be several statements, which are one transaction. */
  readonly values?: readonly Parameter[] | undefined
  /** Under which name each connection prepares it once; the same text for ever. Default: it is not prepared. */
  readonly name?: string | undefined
  /** Called once, when the connection is free for the next statement, or with what went wrong. */
  readonly done: (error?: Error) => void
}

/** What each connection has prepared. pg's own list is part of the queries that it makes itself. */
const prepared = new WeakMap<Connection, Set<string>>()

export class Statement {
  readonly text: string
  /** All values as text, as the server writes them; it sends none in binary format unless it is asked to. */
  readonly rows: (readonly (string | null)[])[] = []
  /** How many rows it has read or changed. */
  count = 0
  readonly #values: readonly Parameter[] | undefined
  readonly #name: string
  #done: ((error?: Error) => void) | undefined

  constructor({ text, values, name = '', done }: StatementOptions) {
    this.text = text
    this.#values = values
    this.#name = name
    this.#done = done
  }

  submit(connection: Connection): void {
    if (this.#values === undefined) connection.query(this.text)
    else this.#send(connection, this.#values)
  }

  /** In one packet. */
  #send(connection: Connection, values: readonly Parameter[]): void {
    const name = this.#name
    connection.stream.cork()
    try {
      if (!prepared.get(connection)?.has(name)) connection.parse({ name, text: this.text })
      connection.bind({ statement: name, values })
      connection.execute({})
      connection.sync()
    } finally {
      connection.stream.uncork()
    }
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.rows.push(fields)
  }

  /** Its tag ends in a number where there were rows: `UPDATE 3`. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.count = Number(text.slice(text.lastIndexOf(' ') + 1))
  }

  handleReadyForQuery(connection: Connection): void {
    if (this.#name !== '') {
      const names = prepared.get(connection) ?? new Set()
      prepared.set(connection, names.add(this.#name))
    }
    this.#finish()
  }

  /** May come more than once, and after the answer. */
  handleError(error: Error): void {
    this.#finish(error)
  }

  #finish(error?: Error): void {
    const done = this.#done
    this.#done = undefined
    done?.(error)
  }

  handleRowDescription(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
