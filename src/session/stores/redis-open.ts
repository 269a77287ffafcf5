// Opens a connection to Redis with @redis/client, an optional package. A single connection is used up when it is lost;
// clusters and sentinels find their servers again by themselves.

import { readFile } from 'node:fs/promises'
import { importPeer } from './optional-peer.js'
import { COMMAND_OPTIONS, linkTo, type RedisLink } from './redis-link.js'
import type { RedisNode, RedisTarget } from './redis-url.js'

export interface OpenRedis {
  readonly link: RedisLink
  /** False when it is lost for good. */
  isUsable(): boolean
  /** The nodes of a cluster, as far as they are known. */
  nodes(): readonly RedisNode[]
  /** Fails what is under way. */
  destroy(): void
}

export interface RedisSettings {
  readonly target: RedisTarget
  /** Certificates (PEM) that the server's must come from, in this file. Default: those of Node. */
  readonly ca?: string | undefined
  /** How long connecting may take, in milliseconds. */
  readonly timeout: number
}

interface Client {
  readonly isReady: boolean
  /** Only a cluster has it. */
  readonly nodeByAddress?: ReadonlyMap<
    string,
    RedisNode & { readonly client?: { readonly isReady?: boolean } }
  >
  on(event: 'error', listener: (error: unknown) => void): void
  on(event: 'node-error', listener: (error: unknown, node: RedisNode) => void): void
  connect(): Promise<unknown>
  destroy(): unknown
}

interface ClientPackage {
  createClient(options: object): Client
  createCluster(options: object): Client
  createSentinel(options: object): Client
}

/** The package; rejects with a sentence that says what to install. */
export function importRedis(): Promise<ClientPackage> {
  return importPeer('ext:redis', '@redis/client', async () => {
    const found: unknown = await import('@redis/client')
    return found as ClientPackage
  })
}

/** Connects. Rejects when it can't; until then `onClient` may destroy what is being connected. */
export async function openRedis(
  settings: RedisSettings,
  onClient: (destroy: () => void) => void,
): Promise<OpenRedis> {
  const redis = await importRedis()
  const { kind } = settings.target
  const options = await optionsFor(settings)
  const client =
    kind === 'single'
      ? redis.createClient(options)
      : kind === 'cluster'
        ? redis.createCluster(options)
        : redis.createSentinel(options)
  let destroyed = false
  const destroy = () => {
    if (destroyed) return
    destroyed = true
    void Promise.resolve(client.destroy()).catch(() => {})
  }
  // Whoever waits for a command learns of it; without a listener the process would end.
  client.on('error', () => {
    // An answer that makes no sense: the client drops it and goes on, one answer behind, so each is given to somebody else.
    if (kind === 'single' && client.isReady) destroy()
  })
  client.on('node-error', (_error, { host, port }) => {
    if (client.nodeByAddress?.get(`${host}:${port}`)?.client?.isReady === true) destroy()
  })
  onClient(destroy)
  try {
    await client.connect()
  } catch (error) {
    destroy()
    throw error
  }
  return {
    link: linkTo(client, { own: true }),
    isUsable: () => !destroyed && (kind !== 'single' || client.isReady),
    nodes: () => [...(client.nodeByAddress?.values() ?? [])].map(({ host, port }) => ({ host, port })),
    destroy,
  }
}

async function optionsFor({ target, ca, timeout }: RedisSettings): Promise<object> {
  const { username, password, database } = target
  const tls = target.tls ? { tls: true, ...(ca !== undefined && { ca: await readFile(ca) }) } : {}
  const credentials = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  }
  const node = {
    // Answers of RESP 2 hold all that is needed, and servers before Redis 6 know nothing else.
    RESP: 2,
    ...credentials,
    ...(database !== 0 && { database }),
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandOptions: COMMAND_OPTIONS,
  }
  const socket = { ...tls, connectTimeout: timeout }
  switch (target.kind) {
    case 'single': {
      const where = target.path === undefined ? target.nodes[0] : { path: target.path }
      return { ...node, socket: { ...socket, ...where, reconnectStrategy: false } }
    }
    case 'cluster':
      return {
        RESP: 2,
        // Only asked for the others; one that does not answer leaves time to ask another.
        rootNodes: target.nodes.map((where) => ({
          socket: { ...socket, ...where, socketTimeout: Math.ceil(timeout / 4) },
        })),
        defaults: { ...node, socket: { ...socket, reconnectStrategy: pauseBefore } },
        commandOptions: COMMAND_OPTIONS,
        // Else one node that does not answer keeps all others from being used.
        minimizeConnections: true,
        topologyRefreshOnReconnectionAttemptStrategy: 500,
      }
    case 'sentinel':
      return {
        RESP: 2,
        name: target.name,
        sentinelRootNodes: target.nodes,
        sentinelClientOptions: { socket, maintNotifications: 'disabled' },
        nodeClientOptions: { ...node, socket: { ...socket, reconnectStrategy: pauseBefore } },
        commandOptions: COMMAND_OPTIONS,
        maxCommandRediscovers: 2,
      }
  }
}

/** How long to wait before a node is tried again: half a second at most, since somebody may be waiting. */
function pauseBefore(retries: number): number {
  return Math.min(50 * 2 ** retries, 500) * (0.5 + Math.random() / 2)
}
