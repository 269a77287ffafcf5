// A Redis Cluster of three masters on this machine, with or without a replica for each. Where a master is gone and has no
// replica, the others go on with their slots (cluster-require-full-coverage no), as one wants it for sessions.

import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findProgram, start } from './processes.mjs'
import { accepts } from './servers.mjs'

const run = promisify(execFile)

/** What a command answers, as redis-cli prints it. */
export async function redisCli(port, ...args) {
  const { stdout } = await run('redis-cli', ['-p', String(port), ...args])
  return stdout.trim()
}

async function isFree(port) {
  const server = createServer()
  const free = await new Promise((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  await new Promise((resolve) => server.close(resolve))
  return free
}

/** A port whose bus port, 10000 higher, is free as well; both below those of outgoing connections. */
async function nodePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 10_000)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

async function startNode(port, directory) {
  mkdirSync(directory, { recursive: true })
  const args = [
    '--port',
    port,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--cluster-enabled',
    'yes',
  ]
  const cluster = [
    '--cluster-node-timeout',
    1000,
    '--cluster-require-full-coverage',
    'no',
    '--loglevel',
    'warning',
  ]
  const running = start('redis-server', [...args, ...cluster].map(String), { core: 'any', cwd: directory })
  while (!(await accepts(port))) {
    if (running.child.exitCode !== null)
      throw new Error(`redis-server does not start: ${running.output().trim()}`)
    await sleep(20)
  }
  return { port, pid: running.pid, running }
}

/** Starts it and waits until all nodes call it well. */
export async function startRedisCluster(directory, { replicas }) {
  for (const program of ['redis-server', 'redis-cli']) {
    if (findProgram(program) === undefined) throw new Error(`no ${program} here`)
  }
  const nodes = []
  while (nodes.length < (replicas ? 6 : 3)) {
    nodes.push(await startNode(await nodePort(), join(directory, `node-${nodes.length}`)))
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await run('redis-cli', [
    '--cluster',
    'create',
    ...addresses,
    '--cluster-replicas',
    replicas ? '1' : '0',
    '--cluster-yes',
  ])
  const isWell = async ({ port }) => (await redisCli(port, 'cluster', 'info')).includes('cluster_state:ok')
  const follows = async ({ port }) => {
    const told = await redisCli(port, 'info', 'replication')
    return told.includes('role:master') || told.includes('master_link_status:up')
  }
  for (const node of nodes) {
    while (!((await isWell(node)) && (await follows(node)))) await sleep(50)
  }
  return nodes
}

async function isMaster({ port }) {
  return (await redisCli(port, 'info', 'replication')).includes('role:master')
}

/** Calls of commands that clients made of the masters, by name, without what nodes say to each other. */
export async function countCommands(nodes) {
  const counts = new Map()
  for (const node of nodes) {
    if (!(await isMaster(node))) continue
    const text = await redisCli(node.port, 'info', 'commandstats')
    for (const [, name, calls] of text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
      if (/^(info|cluster|ping|replconf|psync|command|hello|client|config)/.test(name)) continue
      counts.set(name, (counts.get(name) ?? 0) + Number(calls))
    }
  }
  return counts
}

/** Bytes in use by the masters together. */
export async function memoryOfMasters(nodes) {
  let bytes = 0
  for (const node of nodes) {
    if (!(await isMaster(node))) continue
    bytes += Number(/^used_memory_dataset:(\d+)/m.exec(await redisCli(node.port, 'info', 'memory'))[1])
  }
  return bytes
}
