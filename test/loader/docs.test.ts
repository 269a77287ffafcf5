// The examples of docs/loader.md do what the page says.

import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLoader, loadApp } from '../../src/loader.js'
import { serveApp } from '../support/http.js'
import { fileDirectory } from '../support/paste-stub.js'

const ROOT = join(import.meta.dirname, '../..')

/** The first code block of a language that holds a text. */
async function block(language: string, holding: string): Promise<string> {
  const page = await readFile(join(ROOT, 'docs/loader.md'), 'utf8')
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text]) => text!,
  )
  return blocks.find((text) => text.includes(holding))!
}

test('the file that it begins with loads', async () => {
  const directory = await fileDirectory({
    'x.ini': await block('ini', '[server:main]'),
    'home.js': `export default () => (req, res) => res.end('home')`,
    'node_modules/my-api/package.json': '{ "type": "module", "exports": "./api.js" }',
    'node_modules/my-api/api.js':
      'export default (globalConf, { database }) => (req, res) => res.end(database)',
  })
  const app = await loadApp('config:x.ini', {
    relativeTo: directory,
    env: { SESSION_SECRET: 'a-secret-of-at-least-thirty-two-characters' },
  })
  onTestFinished(async () => app.close?.())
  const { url } = await serveApp(app)
  expect(await (await fetch(`${url}/`)).text()).toBe('home')
  expect(await (await fetch(`${url}/api`)).text()).toBe(`${directory}/api.db`)
})

test('the package of parts is used, and its error gets a place', async () => {
  const directory = await fileDirectory({
    'x.ini': `
[composite:main]
use = npm:my-parts#first
app = pipe
[pipeline:pipe]
pipeline = timer hello
[filter:timer]
use = npm:my-parts#timer
header = x-time
[app:hello]
use = npm:my-parts#hello
greeting = moin
[filter-app:broken]
use = npm:my-parts#timer
next = hello
`,
    'node_modules/my-parts/package.json': '{ "type": "module", "exports": { "./sessd": "./sessd.js" } }',
  })
  await symlink(ROOT, join(directory, 'node_modules/sessd'))
  await writeFile(
    join(directory, 'node_modules/my-parts/sessd.js'),
    await block('js', 'node_modules/my-parts'),
  )
  const app = await loadApp('config:x.ini', { relativeTo: directory })
  const { url } = await serveApp(app)
  const response = await fetch(url)
  expect(await response.text()).toBe('moin')
  expect(Number(response.headers.get('x-time'))).toBeGreaterThan(0)
  await expect(createLoader().load('app', 'config:x.ini#broken', { relativeTo: directory })).rejects.toThrow(
    `${directory}/x.ini:14: [filter-app:broken] header: missing: the name of a header`,
  )
})
