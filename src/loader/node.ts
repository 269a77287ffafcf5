// The composed tree as `sessd show` prints it: contexts without their factories.

import type { Place } from '../config/errors.js'
import { maskValue } from '../config/secrets.js'
import { type Context, mainPart } from './context.js'
import type { Kind, Node, NodeSetting, Shape } from './model.js'
import { DEEPEST } from './nesting.js'
import type { Setting } from './settings.js'

/** The node of one context. `children` are put in by whoever finds them. */
export function describe(context: Context, role: string, children: readonly Node[] = []): TreeNode {
  return new TreeNode({ context, settings: undefined }, role, children)
}

/** Worked out for whom it concerns: a start of ten thousand mounts would mask their settings for nobody. */
interface Lazy {
  readonly context: Context
  settings: readonly NodeSetting[] | undefined
}

/** A class for its getter: one on each object would give each node a hidden class of its own, a kilobyte apiece. */
export class TreeNode implements Node {
  readonly kind: Kind
  readonly shape: Shape
  readonly name: string
  readonly use: string | undefined
  readonly place: Place | undefined
  readonly role: string
  readonly children: readonly Node[]
  readonly #lazy: Lazy

  constructor(lazy: Lazy, role: string, children: readonly Node[]) {
    const { context } = lazy
    this.kind = context.kind
    this.shape = shapeOf(context)
    this.name = context.asked.name
    this.use = mainPart(context)?.factory.label
    this.place = context.asked.place
    this.role = role
    this.children = children
    this.#lazy = lazy
  }

  get settings(): readonly NodeSetting[] {
    this.#lazy.settings ??= settingsOf(this.#lazy.context)
    return this.#lazy.settings
  }

  /** The same node in another role, or with other children. */
  changed({
    role = this.role,
    children = this.children,
  }: {
    role?: string
    children?: readonly Node[]
  }): TreeNode {
    return new TreeNode(this.#lazy, role, children)
  }

  /** As `sessd show --json` has it. */
  toJSON(): Node {
    const { kind, shape, name, use, place, settings, role, children } = this
    return { kind, shape, name, use, place, settings, role, children }
  }
}

/**
 * The node of a context and of all that it names; what composites will ask for is not known yet. What stands deeper than
 * anything that can be made is left out.
 */
export function describeTree(context: Context, role: string, level = 1): TreeNode {
  if (level > DEEPEST) return describe(context, role)
  const below = (part: Context, role: string) => describeTree(part, role, level + 1)
  switch (context.type) {
    case 'filter-app':
      return describe(context, role, [below(context.next, 'next')])
    case 'filtered':
      return below(context.filter, role).changed({ children: [below(context.inner, 'next')] })
    case 'pipeline':
      return describe(context, role, [
        ...context.filters.map((filter) => below(filter, 'filter')),
        below(context.app, 'app'),
      ])
    default:
      return describe(context, role)
  }
}

function shapeOf(context: Context): Shape {
  if (context.type === 'filter-app' || context.type === 'pipeline') return context.type
  if (context.type === 'part' && context.factory.protocol === 'composite_factory') return 'composite'
  return context.kind
}

function settingsOf(context: Context): NodeSetting[] {
  const part = mainPart(context)
  const { title, place } = context.asked
  const isHere = (at: Place | undefined) => at?.file === place?.file && `[${at?.section}]` === title
  const globals = part?.globals ?? context.globals
  const fed = context.asked.scope?.surrounding.secrets
  const show = (key: string, setting: Setting, scope: 'local' | 'global') =>
    nodeSetting(key, fed?.has(key, setting) ? { ...setting, secret: true } : setting, scope, isHere)
  const unwritten = (key: string, { place }: Setting) =>
    (key === 'here' || key === '__file__') && place === undefined
  const inherited = [...globals].filter(
    ([key, setting]) => !part?.locals.has(key) && !unwritten(key, setting),
  )
  return [
    ...[...(part?.locals ?? [])].map(([key, setting]) => show(key, setting, 'local')),
    ...inherited.map(([key, setting]) => show(key, setting, 'global')),
  ]
}

function nodeSetting(
  key: string,
  { text, secret, place, from }: Setting,
  scope: 'local' | 'global',
  isHere: (place: Place | undefined) => boolean,
): NodeSetting {
  const origin = from === 'section' && !isHere(place) ? 'used section' : from
  return { key, value: maskValue(text, secret), from: origin, place, secret, scope }
}
