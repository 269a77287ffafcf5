// How deep parts may stand in each other. A request goes through them on one stack, of which each part takes its piece,
// and whoever draws the tree goes down it: a file that is too deep for that is told so at the start.

import { ConfigError } from '../config/errors.js'
import type { Asked, Context } from './context.js'
import { isSameRequest, wayText } from './cycle.js'

/**
 * Parts that a request may go through, each inside of the one before. Three times as many are too many for some of ours;
 * Paste Deploy ends with a RecursionError at 200 composites, and at 500 pipelines.
 */
export const DEEPEST = 1000

/** How much of a way that is too long is told. */
const TOLD = 4

/** What something is made of, as far as it goes down. */
export interface Depth {
  readonly asked: Asked
  /** Parts that a request goes through at the most. */
  readonly levels: number
  /** The deepest of what it is made of. */
  readonly inner: Depth | undefined
}

/**
 * The depth of what a context describes, by what it was made of: a request goes through one of the apps of a composite,
 * and through all that a pipeline names. Throws ConfigError for one that is too deep.
 */
export function depthOf({ type, asked }: Context, madeOf: readonly { readonly depth: Depth }[]): Depth {
  let inner: Depth | undefined
  let sum = 0
  for (const { depth } of madeOf) {
    if (inner === undefined || depth.levels > inner.levels) inner = depth
    sum += depth.levels
  }
  const below = type === 'part' ? (inner?.levels ?? 0) : sum
  // What puts a filter before something is nothing by itself.
  const isPair = type === 'filter-app' || type === 'filtered'
  const depth = { asked, levels: Math.max(1, isPair ? below : below + 1), inner }
  if (depth.levels > DEEPEST) throw tooDeep(depth)
  return depth
}

function tooDeep(depth: Depth): ConfigError {
  const way: Asked[] = []
  for (let next: Depth | undefined = depth; next !== undefined && way.length <= TOLD; next = next.inner)
    if (way.length === 0 || !isSameRequest(next.asked, way.at(-1)!)) way.push(next.asked)
  const told = wayText(way.slice(0, TOLD)) + (way.length > TOLD ? ' -> ...' : '')
  const { asked, levels } = depth
  return new ConfigError(
    'nesting',
    `is ${levels} parts deep, expected at most ${DEEPEST}: ${told}`,
    asked.place,
  )
}
