// `%(name)s` and `${env:NAME}`: the text of a value to the value. What comes from outside (environment, files, command
// line) is data: it is put in and never read for `%` or `$` again.

import { ConfigError, type Place } from '../config/errors.js'
import type { Entry } from './model.js'
import { fetchOutside, LONGEST_VALUE, type Source, type Surroundings, type Value } from './outside.js'

/** The text of one setting, before interpolation. Its identity counts: one cell is worked out once. */
export interface Cell {
  readonly entry: Entry
  readonly file: string
  readonly section: string
  /** Whether it is a secret, or feeds one. */
  readonly secret: boolean
}

/** Where names in a text are looked up. */
export interface Scope extends Surroundings {
  /** What `%(name)s` means inside of `from`; undefined: nothing. */
  lookup(name: string, from: Cell): Cell | Value | undefined
  /** What could have been meant by a name that means nothing: ready to be put after a full stop. */
  offer(name: string): string
}

/**
 * Makes the function that works out cells in one scope. Results are kept, so a name that many refer to costs once.
 * It throws ConfigError: a `%` that begins nothing, a name or variable that is not there, a cycle, too long a value.
 */
export function interpolator(scope: Scope): (cell: Cell) => Value {
  const done = new Map<Cell, Value>()
  return (cell) => evaluate(cell, scope, done)
}

interface Frame {
  readonly cell: Cell
  readonly pieces: readonly Piece[]
  readonly references: readonly Reference[]
  readonly values: Value[]
}

/** Depth first with a stack of our own: a chain of names may be longer than JavaScript's stack. */
function evaluate(start: Cell, scope: Scope, done: Map<Cell, Value>): Value {
  const known = done.get(start)
  if (known !== undefined) return known
  const stack = [open(start)]
  const active = new Set([start])
  for (;;) {
    const frame = stack.at(-1)!
    const reference = frame.references[frame.values.length]
    if (reference === undefined) {
      const value = render(frame, scope)
      done.set(frame.cell, value)
      active.delete(frame.cell)
      stack.pop()
      if (stack.length === 0) return value
      continue
    }
    const target = scope.lookup(reference.name, frame.cell)
    if (target === undefined) throw missingName(reference, frame.cell, scope)
    if ('text' in target) {
      frame.values.push(target)
      continue
    }
    const value = done.get(target)
    if (value !== undefined) {
      frame.values.push(value)
    } else if (active.has(target)) {
      const path = stack.map(({ cell }) => cell)
      throw cycle(path.slice(path.indexOf(target)), target)
    } else {
      active.add(target)
      stack.push(open(target))
    }
  }
}

function open(cell: Cell): Frame {
  const pieces = tokenize(cell)
  const references = pieces.flatMap((piece) =>
    typeof piece === 'string' ? [] : 'body' in piece ? piece.body.filter(isReference) : [piece],
  )
  return { cell, pieces, references, values: [] }
}

/** `%(name)s` */
interface Reference {
  readonly name: string
  readonly at: number
}

/** `${env:...}` or `${file:...}` */
interface Outside {
  readonly source: Source
  readonly body: readonly (string | Reference)[]
  readonly at: number
}

type Piece = string | Reference | Outside

function isReference(piece: string | Reference): piece is Reference {
  return typeof piece !== 'string'
}

const SPECIAL = /%|\$\$?\{(?:env|file):/g

function tokenize(cell: Cell): Piece[] {
  const raw = cell.entry.value
  const pieces: Piece[] = []
  let from = 0
  for (;;) {
    SPECIAL.lastIndex = from
    const match = SPECIAL.exec(raw)
    if (match === null) break
    const [mark] = match
    const at = match.index
    pieces.push(raw.slice(from, at))
    if (mark === '%') {
      const [piece, end] = percent(cell, at)
      pieces.push(piece)
      from = end
    } else if (mark.startsWith('$$')) {
      pieces.push(mark.slice(1))
      from = at + mark.length
    } else {
      const [piece, end] = outside(cell, at, mark)
      pieces.push(piece)
      from = end
    }
  }
  pieces.push(raw.slice(from))
  return pieces
}

const NAME = /%\(([^)]+)\)s/y

/** The piece that begins with the `%` at `at`, and where it ends. */
function percent(cell: Cell, at: number): [piece: string | Reference, end: number] {
  const raw = cell.entry.value
  if (raw[at + 1] === '%') return ['%', at + 2]
  NAME.lastIndex = at
  const match = NAME.exec(raw)
  if (match !== null) return [{ name: match[1]!, at }, at + match[0].length]
  const shown = cell.secret ? '' : `, got ${JSON.stringify(raw.slice(at, at + 12))}`
  const hint = 'Write %% for a literal %'
  throw new ConfigError('syntax', `expected %% or %(name)s${shown}. ${hint}`, placeAt(cell, at))
}

const INNER = /[%}]/g

/** `${env:...}` up to its `}`; inside of it `%` works as elsewhere. */
function outside(cell: Cell, at: number, mark: string): [piece: Outside, end: number] {
  const raw = cell.entry.value
  const body: (string | Reference)[] = []
  let from = at + mark.length
  for (;;) {
    INNER.lastIndex = from
    const next = INNER.exec(raw)?.index
    if (next === undefined)
      throw new ConfigError('syntax', `expected a "}" that ends ${mark}`, placeAt(cell, at))
    body.push(raw.slice(from, next))
    from = next
    if (raw[from] === '}') return [{ source: mark === '${env:' ? 'env' : 'file', body, at }, from + 1]
    const [piece, end] = percent(cell, from)
    body.push(piece)
    from = end
  }
}

function render({ cell, pieces, values }: Frame, scope: Scope): Value {
  let next = 0
  let text = ''
  let { secret } = cell
  const put = (piece: string | Reference) => {
    if (typeof piece === 'string') return piece
    const value = values[next++]!
    secret ||= value.secret
    return value.text
  }
  for (const piece of pieces) {
    if (typeof piece === 'string' || 'name' in piece) {
      text += put(piece)
    } else {
      const found = fetchOutside(piece, piece.body.map(put).join(''), scope, placeAt(cell, piece.at))
      secret ||= found.secret
      text += found.text
    }
    if (text.length > LONGEST_VALUE && text.length > cell.entry.value.length) {
      const reason = `grows past ${LONGEST_VALUE} characters by what is put into it`
      throw new ConfigError('syntax', reason, placeAt(cell, 0))
    }
  }
  return { text, secret }
}

function missingName({ name, at }: Reference, cell: Cell, scope: Scope): ConfigError {
  const where = cell.section === 'DEFAULT' ? '[DEFAULT]' : `[${cell.section}] and [DEFAULT]`
  const reason = `%(${name})s: there is no ${JSON.stringify(name)} in ${where}.${scope.offer(name)}`
  return new ConfigError('missing', reason, placeAt(cell, at))
}

function cycle(path: readonly Cell[], target: Cell): ConfigError {
  const steps = [...path, target].map(({ entry }) => `${entry.key} (line ${entry.line})`)
  return new ConfigError('cycle', `needs itself: ${steps.join(' -> ')}`, placeAt(target, 0))
}

/** Where the character at `offset` of the cell's value stands: a continued value has a line for each of its parts. */
function placeAt({ entry, file, section }: Cell, offset: number): Place {
  const part = entry.value.slice(0, offset).split('\n').length - 1
  return { file, line: entry.lines[part] ?? entry.line, section, key: entry.key }
}
