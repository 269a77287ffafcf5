// What `sessd make-config` writes, through real Paste Deploy (Debian's python3-pastedeploy) and through us.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLoader, type Node } from '../../src/loader.js'
import { run } from '../support/main.js'

const PYTHON = '/usr/bin/python3'
const installed = existsSync(PYTHON) && spawnSync(PYTHON, ['-c', 'import paste.deploy.loadwsgi']).status === 0
const must = process.env.CI === 'true'
const SECRET = '100% of_this-is%secret'

describe.skipIf(!installed && !must)(
  'real Paste Deploy (python3-pastedeploy, skipped where it is not installed)',
  () => {
    test.each(['development', 'production', 'composite'])(
      'reads template %s to the same values',
      async (template) => {
        const directory = mkdtempSync(join(tmpdir(), 'sessd-interop-'))
        onTestFinished(() => rmSync(directory, { recursive: true }))
        await run(['make-config', template, 'it.ini', `secret=${SECRET}`, 'data_dir=%(here)s/50%'], directory)
        const file = join(directory, 'it.ini')
        const python = JSON.parse(
          execFileSync(PYTHON, [join(import.meta.dirname, 'make_config.py'), file]).toString(),
        ) as Part[]
        const ours = await partsOf(file)
        const byName = (parts: Part[]) =>
          Object.fromEntries(parts.map(([kind, name, settings]) => [`${kind}:${name}`, settings]))
        expect(byName(ours)).toEqual(byName(python))
        const settings = Object.fromEntries(python.flatMap(([, , settings]) => settings))
        expect(settings).toMatchObject({
          'beaker.session.secret': SECRET,
          'beaker.session.data_dir': `${directory}/50%`,
        })
      },
    )
  },
)

type Part = [kind: string, name: string, settings: [string, string][]]

/** All parts of a file, each with what its factory gets. */
async function partsOf(file: string): Promise<Part[]> {
  const loader = createLoader()
  const roots = [await loader.load('server', `config:${file}`), await loader.load('app', `config:${file}`)]
  await loader.close()
  const flat = (node: Node): Node[] => [node, ...node.children.flatMap(flat)]
  return roots
    .flatMap(({ node }) => flat(node!))
    .map(({ shape, name, settings }) => [
      shape,
      name,
      settings
        .filter(({ scope }) => scope === 'local')
        .map(({ key, value, secret }) => [key, secret ? SECRET : value]),
    ])
}
