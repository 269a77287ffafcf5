// Nanoseconds per dispatch of urlmap by number of mounts, in one process. `npm run build && node bench/urlmap.mjs`

import { urlmap } from '../dist/apps/urlmap.js'

const ROUNDS = 300_000
const app = () => {}

for (const count of [1, 10, 100, 1_000, 10_000]) {
  const begin = performance.now()
  const map = urlmap(Array.from({ length: count }, (_, i) => [`/team${i % 100}/app${i}`, app]))
  const built = performance.now() - begin
  const urls = Array.from({ length: 1024 }, (_, i) => {
    const mount = (i * 7919) % count
    return `/team${mount % 100}/app${mount}/page?id=${i}`
  })
  let best = Infinity
  for (let run = 0; run < 7; run++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < ROUNDS; i++) map({ url: urls[i % 1024], method: 'GET', headers: {} }, undefined)
    best = Math.min(best, Number(process.hrtime.bigint() - start) / ROUNDS)
  }
  console.log(`${count} mounts: ${best.toFixed(0)} ns per request, built in ${built.toFixed(1)} ms`)
}
