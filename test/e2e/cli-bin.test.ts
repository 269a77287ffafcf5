// The program itself: where it runs, what it looks like.

import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT, run } from '../support/cli.js'
import { emptyDirectory } from '../support/directory.js'

const BIN = join(ROOT, 'bin', 'sessd.js')

test('a checkout that is not built says what to run', async () => {
  const directory = emptyDirectory()
  cpSync(join(ROOT, 'bin'), join(directory, 'bin'), { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  expect(await run(process.execPath, [join(directory, 'bin', 'sessd.js'), 'serve', 'x.ini'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'sessd is not built yet. In its own directory, run: npm ci\n',
  })
})

test('a factory that leaves a timer behind does not keep check from ending', async () => {
  const cwd = emptyDirectory()
  writeFileSync(join(cwd, 'app.mjs'), 'export default () => (setInterval(() => {}, 1000), () => {})\n')
  writeFileSync(join(cwd, 'it.ini'), '[server:main]\nuse = egg:Paste#http\n[app:main]\nuse = file:app.mjs\n')
  expect(await run(process.execPath, [BIN, 'check', 'it.ini'], { cwd })).toMatchObject({ code: 0 })
})

describe('colours', () => {
  const broken = '[server:main]\nuse = egg:Paste#http\nport = abc\n[app:main]\nuse = file:app.mjs\n'
  const check = async (env: NodeJS.ProcessEnv) => {
    const cwd = emptyDirectory()
    writeFileSync(join(cwd, 'app.mjs'), 'export default () => () => {}\n')
    writeFileSync(join(cwd, 'it.ini'), broken)
    return (await run(process.execPath, [BIN, 'check', 'it.ini'], { cwd, env })).stderr
  }

  test('mark the mistake where they are wanted', async () => {
    const stderr = await check({ FORCE_COLOR: '1', NO_COLOR: undefined })
    expect(stderr).toContain(
      '\u001b[31merror:\u001b[39m \u001b[1mit.ini:3: [server:main] port:\u001b[22m expected',
    )
    expect(stderr).toContain('\u001b[31m^^^^\u001b[0m')
  })

  test('stay away where nobody sees them', async () => {
    expect(await check({ NO_COLOR: undefined })).not.toContain('\u001b')
    expect(await check({ NO_COLOR: '1' })).not.toContain('\u001b')
  })
})
