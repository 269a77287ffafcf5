// Tries of mounts by host. host:port is more specific than host, and that than none; where a more specific table has no
// mount for a path, the next one is asked.

import type { IncomingMessage } from 'node:http'
import { environ } from '../../http/environ.js'
import { normalizeHost, type Place } from './place.js'
import { type Match, PathTrie } from './trie.js'

interface HostEntry<T> {
  readonly anyPort: PathTrie<T>
  readonly ports: Map<string, PathTrie<T>>
}

/** Values by place. */
export class HostTable<T> {
  readonly #anywhere = new PathTrie<T>()
  readonly #hosts = new Map<string, HostEntry<T>>()

  /** Puts `value` at `place` unless there is one; answers the one that is there. */
  add({ host, port, path }: Place, value: T): T {
    if (host === '') return this.#anywhere.add(path, value)
    let entry = this.#hosts.get(host)
    if (entry === undefined) {
      entry = { anyPort: new PathTrie(), ports: new Map() }
      this.#hosts.set(host, entry)
    }
    if (port === '') return entry.anyPort.add(path, value)
    let trie = entry.ports.get(port)
    if (trie === undefined) {
      trie = new PathTrie()
      entry.ports.set(port, trie)
    }
    return trie.add(path, value)
  }

  /** What fits best for a settled request. */
  find(req: IncomingMessage): Match<T> | undefined {
    const url = req.url!
    return (this.#hosts.size > 0 ? this.#findByHost(req, url) : undefined) ?? this.#anywhere.find(url)
  }

  #findByHost(req: IncomingMessage, url: string): Match<T> | undefined {
    const env = environ(req)
    const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(env.HTTP_HOST) ?? []
    const entry = this.#hosts.get(normalizeHost(name))
    if (entry === undefined) return undefined
    const trie = entry.ports.get(port || (env['wsgi.url_scheme'] === 'https' ? '443' : '80'))
    return trie?.find(url) ?? entry.anyPort.find(url)
  }
}
