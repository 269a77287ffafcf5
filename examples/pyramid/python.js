// Brings the old app along: starts it beside this server, on a free port, and hands its address down to the app that
// proxies. It ends with us, however we end: its standard input is closed then.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** How long the old app may take to end, in milliseconds. */
const PATIENCE = 5000

/**
 * `[composite:x] use = file:python.js`: `program` is what `python` runs, `app` names the section that proxies. All other
 * settings, and those of [DEFAULT], are the program's.
 */
export default async function beside(loader, globalConf, localConf) {
  const { python = 'python3', program, app, ...own } = localConf
  const child = spawn(python, ['-B', program], { stdio: 'pipe' }) // -B: no __pycache__ beside the program
  const ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve))
  const close = async () => {
    child.stdin.end()
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
    await ended
    clearTimeout(late)
  }
  try {
    const port = await start(child, { ...globalConf, ...own })
    const next = await loader.getApp(app, { ...globalConf, upstream: `http://127.0.0.1:${port}` })
    return Object.assign((req, res) => next(req, res), { close })
  } catch (error) {
    await close()
    throw error.code === 'ENOENT' ? new Error(`python: there is no program ${python}`) : error
  }
}

/** Hands the settings over and resolves with the port. What the program says before that is why it could not start. */
async function start(child, settings) {
  let said = ''
  const collect = (text) => {
    said += text
  }
  child.stderr.setEncoding('utf8').on('data', collect)
  child.stdin.on('error', () => {}) // it has ended, and `close` tells
  child.stdin.write(`${JSON.stringify(settings)}\n`)
  const listening = once(createInterface({ input: child.stdout }), 'line')
  const ended = once(child, 'close').then(([code, signal]) => {
    const reason = said.trim().split('\n').at(-1)
    throw new Error(`${child.spawnargs.join(' ')} ended (${signal ?? code}) before it listened: ${reason}`)
  })
  const [port] = await Promise.race([listening, ended])
  ended.catch(() => {})
  child.stderr.off('data', collect).pipe(process.stderr, { end: false })
  return Number(port)
}
