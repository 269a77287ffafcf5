// Keys while `sessd serve` runs on a terminal, and in what state it leaves the terminal.

import { describe, expect, test } from 'vitest'
import { ROOT } from '../support/cli.js'
import { directoryOf } from '../support/directory.js'
import { openTerminal } from '../support/terminal.js'

const KEYS = 'keys: r loads again, t prints the tree, q quits'
const NODE = `'${process.execPath}' '${ROOT}/bin/sessd.js'`
const SERVE = `${NODE} serve examples/composite.ini -p 0`

const APP = `
export default () => (req, res) => {
  res.end()
  if (req.url === '/term') process.kill(process.pid, 'SIGTERM')
  else if (req.url === '/exit') process.exit(7)
  else setImmediate(() => { throw new Error('out of the blue') })
}
`
const INI = '[server:main]\nuse = egg:Paste#http\nport = 0\n[app:main]\nuse = file:app.mjs\n'

/** What a shell's terminal is like: it echoes, gives whole lines, and knows Ctrl-C. */
const AS_BEFORE = /^(?=.*\sisig\b)(?=.*\sicanon\b)(?=.*\secho\b)/s
const STATE = 'echo "code $?"; stty -a; echo "state end"'

describe.each([
  ['one process', SERVE],
  ['workers', `${SERVE} --reload`],
])('on a terminal, %s', (_name, serve) => {
  test('hears its keys, and leaves the terminal as it was', async () => {
    const terminal = openTerminal(`${serve}; ${STATE}`)
    await terminal.shows(KEYS)
    terminal.press('?')
    await terminal.shows(KEYS)
    terminal.press('\x1b[A') // a key with a name
    terminal.press('t')
    const tree = await terminal.shows('/proxy')
    expect(tree).toContain('[server:main]')
    expect(tree).toContain('└─ [composite:sessioned]')
    terminal.press('r')
    await terminal.shows('loaded again')
    terminal.press('t')
    await terminal.shows('[composite:sessioned]')
    terminal.press('q')
    expect(await terminal.shows('code 0')).not.toContain('error')
    expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
    await terminal.ended
  })

  test('stops by Ctrl-C as ever', async () => {
    // As a shell with jobs does it: else Ctrl-C would end the shell as well.
    const terminal = openTerminal(`set -m; ${serve}; ${STATE}`)
    await terminal.shows(KEYS)
    terminal.press('\x03')
    await terminal.shows('code 0')
    expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
  })

  test('goes on after Ctrl-Z and fg, and the shell has its terminal meanwhile', async () => {
    const terminal = openTerminal(`set -m; ${serve}; ${STATE}; fg; ${STATE}`)
    await terminal.shows(KEYS)
    terminal.press('\x1a')
    await terminal.shows('code 148')
    expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
    await terminal.shows('serve examples/composite.ini')
    terminal.press('?')
    await terminal.shows(KEYS)
    terminal.press('q')
    await terminal.shows('code 0')
    expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
  })
})

test.each([
  ['SIGTERM from elsewhere', '/term', 'code 0'],
  ['an exception that nobody caught', '/throw', 'code 1'],
  ['an app that ends the process', '/exit', 'code 7'],
])('after %s the terminal is as it was', async (_what, path, code) => {
  const directory = directoryOf({ 'app.mjs': APP, 'app.ini': INI })
  const terminal = openTerminal(`set -m; ${NODE} serve '${directory}/app.ini'; ${STATE}`)
  const url = /serving on (\S+)/.exec(await terminal.shows(KEYS))![1]!
  fetch(url + path).catch(() => {})
  await terminal.shows(code)
  expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
})

test('in the background it leaves the terminal alone, and serves on', async () => {
  const command = `set -m; ${SERVE} & read -r line; ${STATE}; kill %1; wait %1; ${STATE}`
  const terminal = openTerminal(command)
  await terminal.shows('serving on http')
  terminal.press('q\n') // goes to the shell's `read`
  await terminal.shows('code 0')
  expect(await terminal.shows('state end')).toMatch(AS_BEFORE)
  await terminal.shows('code 0')
})
