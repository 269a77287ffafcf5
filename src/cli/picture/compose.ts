// What there is to draw: stacks of cards. A request goes down a stack, through its filters; below a composite at the end
// it goes on to one of several stacks. What two mounts share is drawn once.

import type { Place } from '../../config/errors.js'
import type { Node } from '../../loader.js'
import { visible } from './text.js'

/** One part. Texts are complete and visible; whoever draws clips them. */
export interface Card {
  /** From 1, in the order of drawing. A reference has the number of what it refers to. */
  readonly number: number
  readonly node: Node
  readonly parent: Node | undefined
  readonly title: string
  /** What made it; of one that could not be made, that. */
  readonly use: string
  readonly place: string
  readonly tone: Tone
  /** Stands for a card that is drawn elsewhere. */
  readonly isReference: boolean
}

export type Tone = 'server' | 'filter' | 'composite' | 'app' | 'broken'

/** Cards from top to bottom, and what the last one leads to. */
export interface Stack {
  readonly cards: readonly Card[]
  readonly branches: readonly Branch[]
}

/** Where a composite leads. */
export interface Branch {
  /** The keys that mount it. */
  readonly labels: readonly string[]
  readonly stack: Stack
}

/** Puts server and app together. `fileName` says how a file is called. */
export function compose(roots: readonly Node[], fileName: (path: string) => string): Stack {
  return new Composer(fileName).stack(roots)
}

class Composer {
  readonly #fileName: (path: string) => string
  readonly #idOf = identifier()
  readonly #drawn = new Map<number, Card>()
  #count = 0

  constructor(fileName: (path: string) => string) {
    this.#fileName = fileName
  }

  stack(roots: readonly Node[], parent?: Node): Stack {
    const cards: Card[] = []
    let branches: readonly Branch[] = []
    const todo: [node: Node, parent: Node | undefined][] = [...roots].reverse().map((node) => [node, parent])
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const [node, parent] = next
      const id = this.#idOf(node)
      const drawn = this.#drawn.get(id)
      // A filter that several pipelines name stands in each of them: there it does its work.
      if (drawn !== undefined && (node.kind !== 'filter' || node.children.length > 0)) {
        cards.push({ ...drawn, isReference: true })
        continue
      }
      const card = this.#card(node, parent)
      this.#drawn.set(id, card)
      cards.push(card)
      if (node.shape === 'composite') branches = this.#branches(node)
      else for (const child of [...node.children].reverse()) todo.push([child, node])
    }
    return { cards, branches }
  }

  #branches(composite: Node): Branch[] {
    const groups = new Map<number, { labels: string[]; child: Node }>()
    for (const child of composite.children) {
      const id = this.#idOf(child)
      const group = groups.get(id) ?? { labels: [], child }
      group.labels.push(visible(child.role))
      groups.set(id, group)
    }
    return Array.from(groups.values(), ({ labels, child }) => ({
      labels,
      stack: this.stack([child], composite),
    }))
  }

  #card(node: Node, parent: Node | undefined): Card {
    const isSection = node.name !== node.use
    const isBroken = node.use === undefined && node.shape !== 'pipeline'
    return {
      number: ++this.#count,
      node,
      parent,
      title: isSection ? `[${node.shape}:${visible(node.name)}]` : visible(node.name),
      use: isBroken ? 'could not be made' : isSection ? visible(node.use ?? '') : '',
      place: placeName(node.place, this.#fileName),
      tone: isBroken ? 'broken' : toneOf(node),
      isReference: false,
    }
  }
}

/** `app.ini:4`, or nothing. */
export function placeName(place: Place | undefined, fileName: (path: string) => string): string {
  if (place === undefined) return ''
  return visible(place.line === undefined ? fileName(place.file) : `${fileName(place.file)}:${place.line}`)
}

function toneOf({ kind, shape }: Node): Tone {
  if (shape === 'composite' || shape === 'pipeline') return 'composite'
  return shape === 'filter-app' ? 'filter' : kind
}

/**
 * Numbers parts, equal ones equally. The loader gives what it made once one list of children, whatever the part is asked
 * for as; a pipeline, which is made of others, is the same when its place is and all of them are.
 */
function identifier(): (node: Node) => number {
  const byChildren = new Map<readonly Node[], number>()
  const byParts = new Map<string, number>()
  let count = 0
  const idOf = ({ kind, name, place, children }: Node): number => {
    if (children.length === 0) return count++
    const parts = [
      kind,
      name,
      place?.file,
      place?.line,
      ...children.map((child) => byChildren.get(child.children)),
    ]
    const key = JSON.stringify(parts)
    const known = byParts.get(key) ?? count++
    byParts.set(key, known)
    return known
  }
  return (node) => {
    // With a stack of its own: pipelines of pipelines may be deeper than JavaScript's.
    const todo = [node]
    for (let next = todo.at(-1); next !== undefined; next = todo.at(-1)) {
      const missing = next.children.filter(({ children }) => !byChildren.has(children))
      if (!byChildren.has(next.children) && missing.length > 0) for (const child of missing) todo.push(child)
      else {
        todo.pop()
        if (!byChildren.has(next.children)) byChildren.set(next.children, idOf(next))
      }
    }
    return byChildren.get(node.children)!
  }
}
