// A V8 profile as a short table: where the time itself was spent, by function, with its share.

import { readFileSync } from 'node:fs'

const ROWS = 30

/** The functions that took most of the time; `(program)` is native code: epoll, parsing of HTTP. */
export function profileTable(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const own = new Map()
  let all = 0
  samples.forEach((id, i) => {
    const { functionName, url, lineNumber } = byId.get(id).callFrame
    if (functionName === '(idle)') return
    const place =
      url === '' ? '' : ` ${url.replace(/^.*\/(?=(?:dist|node_modules|bench)\/)/, '')}:${lineNumber + 1}`
    const name = `${functionName || '(anonymous)'}${place}`
    own.set(name, (own.get(name) ?? 0) + timeDeltas[i])
    all += timeDeltas[i]
  })
  const rows = [...own].sort(([, a], [, b]) => b - a).slice(0, ROWS)
  return rows.map(([name, time]) => `  ${((time / all) * 100).toFixed(1).padStart(5)} %  ${name}`).join('\n')
}
