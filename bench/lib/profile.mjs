// A V8 profile as a short table: where the time itself was spent, by function, with its share.

import { readFileSync } from 'node:fs'

const ROWS = 30

const NATIVE = 'native code'

/** Whose code it is. */
function ownerOf({ functionName, url }) {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (url === '') return NATIVE
  if (url.startsWith('node:')) return 'Node'
  const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url) ?? []
  return name ?? (/\/dist\//.test(url) ? 'sessd' : 'the app')
}

/**
 * Whose code took the time, and the functions that took most of it. Native code is the kernel's, V8's, OpenSSL's; `(program)`
 * is what V8 does not know by name: epoll, parsing of HTTP.
 */
export function profileTable(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const own = new Map()
  const owners = new Map()
  let all = 0
  samples.forEach((id, i) => {
    const { callFrame } = byId.get(id)
    const { functionName, url, lineNumber } = callFrame
    if (functionName === '(idle)') return
    const owner = ownerOf(callFrame)
    owners.set(owner, (owners.get(owner) ?? 0) + timeDeltas[i])
    const place =
      url === '' ? '' : ` ${url.replace(/^.*\/(?=(?:dist|node_modules|bench)\/)/, '')}:${lineNumber + 1}`
    const name = `${functionName || '(anonymous)'}${place}`
    own.set(name, (own.get(name) ?? 0) + timeDeltas[i])
    all += timeDeltas[i]
  })
  const most = (times) => [...times].sort(([, a], [, b]) => b - a)
  const share = (time) => `${((time / all) * 100).toFixed(1)} %`
  const shares = most(owners).map(([owner, time]) => `${owner} ${share(time)}`)
  const rows = most(own).slice(0, ROWS)
  return [
    `  ${shares.join(', ')}`,
    ...rows.map(([name, time]) => `  ${share(time).padStart(7)}  ${name}`),
  ].join('\n')
}
