// Files whose parts stand in each other, as deep as they may and deeper than JavaScript's stack.

import { describe, expect, test } from 'vitest'
import { directoryOf } from '../support/directory.js'
import { run } from '../support/main.js'

/** A file of so many parts, of which the last one answers. */
function site(parts: number): string {
  const composites = Array.from({ length: parts - 1 }, (_, index) => {
    const [name, next] = [index === 0 ? 'main' : `c${index}`, index === parts - 2 ? 'end' : `c${index + 1}`]
    return `[composite:${name}]\nuse = egg:Paste#cascade\napp1 = ${next}\n`
  })
  const rest = '[app:end]\nuse = egg:sessd#redirect\nto = /elsewhere\n[server:main]\nuse = egg:Paste#http\n'
  return directoryOf({ 'app.ini': composites.join('') + rest })
}

const ways = [
  'show app.ini',
  'show app.ini -v',
  'show app.ini --json',
  'show app.ini --svg -',
  'show app.ini --html -',
]

describe('a thousand parts in each other', () => {
  test('are no mistake, and answer', async () => {
    const cwd = site(1000)
    const checked = await run(['check', 'app.ini'], cwd)
    expect(checked).toEqual({ code: 0, stdout: '', stderr: 'app.ini: no errors, no warnings\n' })
    expect((await run(['request', 'app.ini', '/', '-i'], cwd)).stdout).toMatch(/^HTTP\/1\.1 30\d /)
  })

  test.each(ways)('are drawn (%s)', async (command) => {
    const { code, stdout, stderr } = await run(command.split(' '), site(1000))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('c998')
  })
})

test.each(['check app.ini', 'serve app.ini', 'request app.ini /', ...ways])(
  'ten thousand are a mistake (%s)',
  async (command) => {
    const cwd = site(10_000)
    const { code, stderr } = await run(command.split(' '), cwd)
    const told =
      'error: app.ini:26999: [composite:c8999]: is 1001 parts deep, expected at most 1000: ' +
      '[composite:c8999] -> [composite:c9000] (app.ini:27000) -> '
    expect(stderr.replaceAll(`${cwd}/`, '').slice(0, told.length)).toBe(told)
    expect(code).toBe(78)
  },
)
