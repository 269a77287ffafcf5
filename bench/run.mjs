// `npm run bench [-- NAME [options]]`: makes the benches ready (a build, and the packages that they compare with), then
// runs one of them, or the sessions.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const BENCHES = {
  sessions: 'what a session costs, beside other libraries, on every store',
  urlmap: 'what dispatch costs, by the number of mounts',
  proxy: 'what a proxied request costs',
  memory: 'what an idle session takes',
  start: 'from start to first answer',
  hot: 'many requests of one session at once',
  micro: 'the small steps of a request, one by one',
  cluster: 'workers on a Redis Cluster',
  trips: 'round trips to the store, and what a session takes there',
  overlap: 'do overlapping requests lose anything?',
  kill: 'what is left when all writers are killed at once?',
  reload: 'does a reload lose a request?',
  all: 'sessions, urlmap, proxy, memory, start and hot; their tables go to bench/results',
}
const ALL = ['sessions', 'urlmap', 'proxy', 'memory', 'start', 'hot']

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const [first, ...rest] = process.argv.slice(2)
const isName = first !== undefined && Object.hasOwn(BENCHES, first)
const name = isName ? first : 'sessions'
const args = isName ? rest : process.argv.slice(2)

if (first === 'help' || (!isName && first !== undefined && !first.startsWith('-'))) {
  const lines = Object.entries(BENCHES).map(([key, text]) => `  ${key.padEnd(10)} ${text}`)
  console.log(`npm run bench -- NAME [options], of which --help tells\n\n${lines.join('\n')}`)
  process.exit(first === 'help' ? 0 : 2)
}

const npm = (...command) => execFileSync('npm', command, { cwd: here('.'), stdio: ['ignore', 2, 2] })
if (!existsSync(here('node_modules'))) npm('ci', '--no-audit', '--no-fund', '--loglevel=error')
if (!existsSync(here('../dist/index.js'))) npm('--prefix', '..', 'run', 'build')

function run(bench, given) {
  const { status } = spawnSync(process.execPath, [here(`${bench}.mjs`), ...given], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

if (name === 'all') {
  for (const one of ALL) {
    console.log(`## ${one}\n`)
    run(one, ['--md', here(`results/${one}.md`), '--json', here(`results/${one}.json`), ...args])
    console.log()
  }
} else {
  run(name, args)
}
