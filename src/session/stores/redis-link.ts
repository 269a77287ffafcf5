// The one thing that a store needs of a Redis client: to send a command to the server that has a key. Clients differ in
// how they are told; these are the ways of node-redis (`redis`, `@redis/client`), ioredis and iovalkey.

import { slotOf } from './redis-slots.js'

export type RedisArgument = string | Buffer

/** Sends one command. Bulk strings of the answer are Buffers. */
export type Send = (args: readonly RedisArgument[]) => Promise<unknown>

export interface RedisLink {
  /** To the server that has `key`, a primary. */
  send(key: string, args: readonly RedisArgument[]): Promise<unknown>
  /** One for each server that has keys. */
  nodes(): Promise<readonly Send[]>
  /** Whether keys are on several servers, so that a command may have those of one slot only. */
  readonly isCluster: boolean
  /** Which server has `key`, as far as the client knows. undefined: there is but one, or none can be reached. */
  shardOf(key: string): string | undefined
  /** What the client itself puts in front of keys, save of patterns and answers. */
  readonly keyPrefix: string
}

/**
 * Options of node-redis that its own clients are made with here; others are given them with each command, which costs
 * 2 us. 36 is RESP's `$`: answers of that type shall be Buffers. Its time limit costs six times as much as the command.
 */
export const COMMAND_OPTIONS = { typeMapping: { 36: Buffer }, timeout: undefined }

/** While it is not connected: what it keeps for later is dropped when nobody waits for it any more. */
const WAITING = { ...COMMAND_OPTIONS, timeout: 2000 }

interface SingleClient {
  readonly isReady?: boolean
  sendCommand(args: readonly RedisArgument[], options?: object): Promise<unknown>
}

interface SentinelClient {
  getMasterNode(): unknown
  sendCommand(isReadonly: boolean, args: readonly RedisArgument[], options?: object): Promise<unknown>
}

interface ClusterNode {
  readonly address: string
  /** Missing until it is needed. */
  readonly client?: SingleClient | undefined
}

interface ClusterClient {
  readonly masters: readonly ClusterNode[]
  readonly slots: readonly ({ readonly master: ClusterNode } | undefined)[]
  nodeClient(node: unknown): Promise<SingleClient>
  sendCommand(
    key: string,
    isReadonly: boolean,
    args: readonly RedisArgument[],
    options?: object,
  ): Promise<unknown>
}

type Method = (...args: readonly RedisArgument[]) => Promise<unknown>

/** It has a method for each command, here those that answer Buffers: `getBuffer`. */
interface MethodClient {
  readonly [command: `${string}Buffer`]: Method
  /** Only a cluster has these. */
  nodes?(role: 'master'): readonly MethodClient[]
  readonly slots?: readonly (readonly string[] | undefined)[]
  readonly status?: string
  readonly options?: { readonly keyPrefix?: string }
}

/**
 * Throws TypeError for what is no client that we know. Commands after the client was closed reject. `own`: whether it is
 * one of node-redis that was made with COMMAND_OPTIONS.
 */
export function linkTo(client: unknown, { own = false } = {}): RedisLink {
  const options = own ? undefined : COMMAND_OPTIONS
  if (hasMethod<MethodClient>(client, 'evalshaBuffer')) return linkToMethods(client)
  if (isModern(client)) {
    if (hasMethod<ClusterClient>(client, 'nodeClient')) return linkToCluster(client, options)
    if (hasMethod<SentinelClient>(client, 'getMasterNode')) {
      return linkToOne((args) => client.sendCommand(false, args, options))
    }
    if (hasMethod<SingleClient>(client, 'sendCommand')) return linkToOne(sender(client, options))
  }
  throw new TypeError('client: expected a client of redis or @redis/client (5 or later), ioredis or iovalkey')
}

/** Tells node-redis 5 and later from the older ones. */
function isModern(client: unknown): boolean {
  return hasMethod<{ withCommandOptions(): unknown }>(client, 'withCommandOptions')
}

function linkToOne(send: Send): RedisLink {
  return {
    send: (_key, args) => send(args),
    nodes: async () => [send],
    isCluster: false,
    shardOf: () => undefined,
    keyPrefix: '',
  }
}

/**
 * Straight to the node, where the client has a connection to it: its own way there costs three times as much as the
 * command. What that node does not have, it refuses (MOVED, ASK); then and else it is the client's way after all.
 */
function linkToCluster(client: ClusterClient, options: object | undefined): RedisLink {
  return {
    send(key, args) {
      const node = client.slots[slotOf(key)]?.master.client
      if (node?.isReady !== true) return client.sendCommand(key, false, args, options)
      return node.sendCommand(args, options).catch((error: unknown) => {
        if (!(error instanceof Error && /^(MOVED|ASK) /.test(error.message))) throw error
        return client.sendCommand(key, false, args, options)
      })
    },
    nodes: () =>
      Promise.all(client.masters.map(async (node) => sender(await client.nodeClient(node), options))),
    isCluster: true,
    shardOf(key) {
      const allAway = client.masters.every((node) => node.client !== undefined && !node.client.isReady)
      return allAway ? undefined : client.slots[slotOf(key)]?.master.address
    },
    keyPrefix: '',
  }
}

function linkToMethods(client: MethodClient): RedisLink {
  const caller =
    (node: MethodClient): Send =>
    // Its one method for all commands, `callBuffer`, gets them wrong when they are pipelined by themselves.
    ([command, ...args]) =>
      node[`${String(command).toLowerCase()}Buffer`]!(...args)
  const send = caller(client)
  const keyPrefix = client.options?.keyPrefix ?? ''
  return {
    send: (_key, args) => send(args),
    nodes: async () => (client.nodes?.('master') ?? [client]).map(caller),
    isCluster: client.nodes !== undefined,
    shardOf: (key) => (client.status === 'ready' ? client.slots?.[slotOf(keyPrefix + key)]?.[0] : undefined),
    keyPrefix,
  }
}

function sender(client: SingleClient, options: object | undefined): Send {
  if (options === undefined) return (args) => client.sendCommand(args)
  return (args) => client.sendCommand(args, client.isReady === false ? WAITING : options)
}

function hasMethod<T>(value: unknown, name: keyof T): value is T {
  return typeof (value as T | null | undefined)?.[name] === 'function'
}
