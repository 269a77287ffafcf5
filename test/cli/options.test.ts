import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { builtins, optionTables } from '../../src/builtins.js'
import { run } from '../support/main.js'

const SRC = join(import.meta.dirname, '../../src')

describe('sessd options', () => {
  test('knows every part that has settings, and [logging]', async () => {
    const names = new Set(Object.values(builtins).flatMap((egg) => Object.values(egg).flatMap(Object.keys)))
    const found: string[] = ['logging']
    for (const name of names) {
      const file = ['apps', 'filters', 'servers']
        .map((folder) => `${SRC}/${folder}/${name}.ts`)
        .find(existsSync)
      if (file === undefined) continue
      const { options } = (await import(file)) as { options?: object }
      if (options !== undefined) found.push(name)
    }
    expect(Object.keys(optionTables).sort()).toEqual(found.sort())
    expect((await run(['options'])).stdout).toBe(`${found.sort().join('\n')}\n`)
  })

  test('tells of each setting its default, what it does and what it takes', async () => {
    const { code, stdout } = await run(['options', 'egg:Paste#http'])
    expect(code).toBe(0)
    expect(stdout).toContain(
      'graceful_timeout = 30\n    How long running requests may go on when the server is closed.\n' +
        '    a time of at least 0 seconds as in 90, 90s, 30m, 12h or 7d\n',
    )
    expect(stdout).toMatch(/\nTaken and ignored: threads, .*expose_tracebacks\n$/)
  })

  test('tells programs the same', async () => {
    const table = JSON.parse((await run(['options', 'http', '--json'])).stdout) as Record<string, unknown>
    expect(table.graceful_timeout).toEqual({
      takes: 'a time of at least 0 seconds as in 90, 90s, 30m, 12h or 7d',
      default: 30,
      unit: 'seconds',
      doc: 'How long running requests may go on when the server is closed.',
    })
  })

  test('prints the page that is in the documentation', async () => {
    expect((await run(['options', 'proxy', '--md'])).stdout).toMatch(/^\| setting \| takes \| default \|.*\n/)
  })

  test('suggests the part that was meant', async () => {
    expect(await run(['options', 'htp'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: no part "htp" has settings. Did you mean "http"?\nTry: sessd options --help\n',
    })
  })
})
