// What the README shows is what happens.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ROOT, run, serveFile } from '../support/cli.js'
import { Visitor } from '../support/site.js'

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** The fenced blocks of one language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text!)
}

test('the transcript is what a shell prints', async () => {
  const [transcript] = blocks('console')
  const { url } = await serveFile('examples/composite.ini')
  const steps = transcript!
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [command, ...output] = step.split('\n')
      return { command: command!, output: output.join('\n') }
    })
  const script = steps.map(({ command }) => `${command}\nprintf '\\0'\n`).join('')
  const result = await run('bash', ['-u'], {
    cwd: await makeDirectory(),
    input: script.replaceAll('http://127.0.0.1:5000', url),
  })
  expect(result.stderr).toBe('')
  const shown = result.stdout.split('\0').slice(0, -1)
  expect(steps.map(({ command }, nth) => ({ command, output: shown[nth] }))).toEqual(steps)
})

test('the INI file is the example, as far as it goes', () => {
  const settings = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const [shown] = blocks('ini')
  const example = settings(readFileSync(join(ROOT, 'examples/composite.ini'), 'utf8'))
  const lines = settings(shown!)
  expect(example.slice(0, lines.length)).toEqual(lines)
})

describe('its programs run as they stand', () => {
  const programs = blocks('js')

  test('the factory', async () => {
    const directory = await makeDirectory(join(ROOT, 'test'))
    await writeFile(join(directory, 'home.js'), programs[0]!)
    const ini = [
      '[server:main]\nuse = egg:Paste#http',
      '[filter-app:main]\nuse = egg:Beaker#beaker_session\nnext = home\nbeaker.session.secret = long-enough-to-sign',
      '[app:home]\nuse = file:home.js\ngreeting = Hi',
    ]
    await writeFile(join(directory, 'app.ini'), ini.join('\n'))
    const visitor = (await serveFile(join(directory, 'app.ini'))).visitor()
    expect(await visitor.get('/')).toBe('Hi, you are here for the 1. time\n')
    expect(await visitor.get('/')).toBe('Hi, you are here for the 2. time\n')
  })

  test('the Express app', async () => {
    const visitor = await runProgram(programs[1]!)
    expect(await visitor.get('/')).toBe('1 views')
    expect(await visitor.get('/')).toBe('2 views')
  })

  test('the plain handler', async () => {
    const visitor = await runProgram(programs[2]!.replace('/tmp/sessions', await makeDirectory()))
    expect(await visitor.get('/one')).toBe('/one\n')
    expect(await visitor.get('/logout')).toBe('nothing\n')
    expect(visitor.jar.size).toBe(0)
  })
})

/** Runs a program that listens on port 8080, on a free port. */
async function runProgram(source: string): Promise<Visitor> {
  const listen = /\.listen\(8080\)/
  expect(source).toMatch(listen)
  const child = spawn(process.execPath, ['--input-type=module'], {
    cwd: ROOT,
    env: { ...process.env, SESSION_SECRET: 'long-enough-to-sign' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.end(source.replace(listen, '.listen(0, function () { console.log(this.address().port) })'))
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    return new Visitor(`http://127.0.0.1:${String(chunk).trim()}`)
  }
  throw new Error('the program ended')
}

async function makeDirectory(parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, 'readme-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
