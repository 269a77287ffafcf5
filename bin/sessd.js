#!/usr/bin/env node
// Hands argv to the built command line. Everything else is in src/cli/.
import { existsSync } from 'node:fs'

const built = new URL('../dist/cli/main.js', import.meta.url)

if (existsSync(built)) {
  // Who reads us may go away (`sessd show app.ini | head -1`): that is no trouble, least of all for a server.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  const { main } = await import(built.href)
  const code = await main(process.argv.slice(2))
  // A mounted app may have left a timer or a connection behind: leave without it, once all is written.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
} else {
  console.error('sessd is not built yet. In its own directory, run: npm ci')
  process.exitCode = 1
}
