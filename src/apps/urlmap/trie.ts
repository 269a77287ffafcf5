// Mounts by the segments of their paths: a lookup costs one Map per segment, however many mounts there are.

import { decodePath } from '../../http/path.js'

const SLASH = 47
const QUESTION = 63

interface Node<T> {
  value: T | undefined
  children: Map<string, Node<T>> | undefined
}

/** A value found for a URL, and how many characters of the URL led there. */
export interface Match<T> {
  readonly value: T
  readonly length: number
}

/** Values by path; a path is looked up by its longest beginning, segment by segment. */
export class PathTrie<T> {
  readonly #root: Node<T> = { value: undefined, children: undefined }

  /** Puts `value` at `path` (decoded, '' for the root) unless there is one; answers the one that is there. */
  add(path: string, value: T): T {
    let node = this.#root
    for (const segment of path.split('/').slice(1)) {
      node.children ??= new Map()
      let child = node.children.get(segment)
      if (child === undefined) {
        child = { value: undefined, children: undefined }
        node.children.set(segment, child)
      }
      node = child
    }
    node.value ??= value
    return node.value
  }

  /** The value that covers most of `url`, which is in normal form; `length` ends at a segment's border. */
  find(url: string): Match<T> | undefined {
    let { value, children } = this.#root
    let length = 0
    let start = 0
    while (children !== undefined && url.charCodeAt(start) === SLASH) {
      const end = segmentEnd(url, start + 1)
      const child = children.get(decodePath(url.slice(start + 1, end)))
      if (child === undefined) break
      if (child.value !== undefined) {
        value = child.value
        length = end
      }
      children = child.children
      start = end
    }
    return value === undefined ? undefined : { value, length }
  }
}

function segmentEnd(url: string, from: number): number {
  let end = from
  while (end < url.length) {
    const code = url.charCodeAt(end)
    if (code === SLASH || code === QUESTION) break
    end++
  }
  return end
}
