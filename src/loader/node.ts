// The composed tree as `sessd show` prints it: contexts without their factories.

import type { Place } from '../config/errors.js'
import { maskValue } from '../config/secrets.js'
import { type Context, mainPart } from './context.js'
import type { Node, NodeSetting, Shape } from './model.js'
import type { Setting } from './settings.js'

/** A node whose children are still being found, as a composite asks for them. */
export type OpenNode = Omit<Node, 'children'> & { readonly children: Node[] }

/** The node of one context. `children` are put in by whoever finds them. */
export function describe(context: Context, role: string, children: Node[] = []): OpenNode {
  const { kind, asked } = context
  const part = mainPart(context)
  let settings: readonly NodeSetting[] | undefined
  return {
    kind,
    shape: shapeOf(context),
    name: asked.name,
    use: part?.factory.label,
    place: asked.place,
    // Only for whom it concerns: a start of ten thousand mounts would mask their settings for nobody.
    get settings() {
      settings ??= settingsOf(context)
      return settings
    },
    role,
    children,
  }
}

/** The same node in another role. */
export function withRole(node: Node, role: string): Node {
  return change(node, { role })
}

/** The same node with other children. */
export function withChildren(node: Node, children: readonly Node[]): Node {
  return change(node, { children })
}

/** Not a spread, which would work out the settings. */
function change(node: Node, changes: Partial<Node>): Node {
  const all = { ...Object.getOwnPropertyDescriptors(node), ...Object.getOwnPropertyDescriptors(changes) }
  return Object.defineProperties({}, all) as Node
}

/** The node of a context and of all that it names; what composites will ask for is not known yet. */
export function describeTree(context: Context, role: string): Node {
  switch (context.type) {
    case 'filter-app':
      return describe(context, role, [describeTree(context.next, 'next')])
    case 'filtered':
      return withChildren(describeTree(context.filter, role), [describeTree(context.inner, 'next')])
    case 'pipeline':
      return describe(context, role, [
        ...context.filters.map((filter) => describeTree(filter, 'filter')),
        describeTree(context.app, 'app'),
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
