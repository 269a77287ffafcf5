// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the INI's own
// What a value becomes: %(name)s, ${env:NAME}, ${file:path}.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/config/errors.js'
import type { LoaderOptions } from '../../src/loader/index.js'
import { fileDirectory, stubLoader } from '../support/paste-stub.js'

const APP = '[app:main]\nuse = egg:Stub#echo\n'

/** The local settings of [app:main] of a file. */
async function settings(
  text: string,
  options: LoaderOptions = {},
  globalConf = {},
): Promise<Record<string, string>> {
  const directory = await fileDirectory({ 'x.ini': text })
  const loader = await stubLoader({ env: {}, ...options })
  const conf = await loader.appConfig('config:x.ini', { relativeTo: directory, globalConf })
  return Object.fromEntries(conf.localConf)
}

/** The message of the error, without the directory. */
async function failure(text: string, options: LoaderOptions = {}): Promise<string> {
  const directory = await fileDirectory({ 'x.ini': text })
  const loader = await stubLoader({ env: {}, ...options })
  const error: unknown = await loader
    .appConfig('config:x.ini', { relativeTo: directory })
    .catch((thrown) => thrown)
  if (!(error instanceof ConfigError)) throw error
  return error.message.replaceAll(`${directory}/`, '')
}

describe('%(name)s', () => {
  test('a name inside of its own value means the one of [DEFAULT]', async () => {
    expect(await settings(`[DEFAULT]\npath = /bin\n${APP}path = /opt:%(path)s\nother = %(path)s\n`)).toEqual({
      path: '/opt:/bin',
      other: '/opt:/bin',
    })
  })

  test('names may refer to names without limit', async () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => `v${index} = %(v${index + 1})s`).join('\n')
    expect((await settings(`${APP}${chain}\nv20000 = end\n`)).v0).toBe('end')
  })

  test('a cycle is an error that prints the way round', async () => {
    expect(await failure(`${APP}a = %(b)s\nb = <%(c)s>\nc = %(b)s\n`)).toBe(
      'x.ini:4: [app:main] b: needs itself: b (line 4) -> c (line 5) -> b (line 4)',
    )
  })

  test('a billion laughs are stopped', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => `v${index} = ${`%(v${index + 1})s`.repeat(10)}`)
    expect(await failure(`${APP}${lines.join('\n')}\nv20 = ha\n`)).toMatch(
      /^x\.ini:\d+: \[app:main\] v\d+: grows past 1048576 characters by what is put into it$/,
    )
  })

  test('a mistake in a continued value is told with the line of that part', async () => {
    expect(await failure(`${APP}x =\n  one\n  # comment\n  50%\n`)).toBe(
      'x.ini:6: [app:main] x: expected %% or %(name)s, got "%". Write %% for a literal %',
    )
  })

  test('a name that is missing brings the nearest one', async () => {
    expect(await failure(`[DEFAULT]\ndata_dir = x\n${APP}x = %(data_dri)s\n`)).toBe(
      'x.ini:5: [app:main] x: %(data_dri)s: there is no "data_dri" in [app:main] and [DEFAULT].' +
        ' Did you mean "data_dir"? There is: use, x, data_dir, here, __file__.',
    )
  })
})

describe('${env:NAME}', () => {
  test('is the variable, and inside of a value as well', async () => {
    expect(
      await settings(`${APP}a = \${env:A}\nb = x-\${env:A}-\${env:B:-none}\n`, { env: { A: '1' } }),
    ).toEqual({
      a: '1',
      b: 'x-1-none',
    })
  })

  test('takes its default for an empty variable too, as in a shell', async () => {
    expect(
      await settings(`${APP}a = \${env:A:-x}\nb = \${env:A}\nc = \${env:A:-}\n`, { env: { A: '' } }),
    ).toEqual({
      a: 'x',
      b: '',
      c: '',
    })
  })

  test('is data: what it holds is never read for % or $', async () => {
    const env = { A: '50% %(b)s ${env:B}' }
    expect(await settings(`${APP}a = \${env:A}\nb = <%(a)s>\n`, { env })).toEqual({
      a: env.A,
      b: `<${env.A}>`,
    })
  })

  test('may have a name or a default that is put together', async () => {
    const text = `${APP}stage = LIVE\na = \${env:%(stage)s_URL}\nb = \${env:NO:-%(stage)s 100%%}\n`
    expect(await settings(text, { env: { LIVE_URL: 'u' } })).toMatchObject({ a: 'u', b: 'LIVE 100%' })
  })

  test('that is missing is an error with its line', async () => {
    expect(await failure(`${APP}a =\n  x\n  \${env:DATABASE}\n`)).toBe(
      'x.ini:5: [app:main] a: the environment has no variable "DATABASE". Write ${env:DATABASE:-x} for a default',
    )
  })

  test('that is not closed is an error', async () => {
    expect(await failure(`${APP}a = \${env:A\n`)).toBe(
      'x.ini:3: [app:main] a: expected a "}" that ends ${env:',
    )
  })

  test('is not looked for in Object.prototype', async () => {
    expect(await settings(`${APP}a = \${env:constructor:-none}\n`)).toEqual({ a: 'none' })
  })

  test('$$ in front of it writes it literally, and every other ${...} is text', async () => {
    expect(
      await settings(`${APP}a = $\${env:A}\nb = \${HOME} $\${HOME} $HOME $$\nc = $\${file:x}\n`),
    ).toEqual({
      a: '${env:A}',
      b: '${HOME} $${HOME} $HOME $$',
      c: '${file:x}',
    })
  })
})

describe('${file:path}', () => {
  test('is the text of the file, relative to the INI, without one newline at its end', async () => {
    const directory = await fileDirectory({
      'conf/x.ini': `${APP}a = \${file:../run/token}\nb = \${file:%(here)s/crlf}`,
      'run/token': 'to%ken\n\n',
      'conf/crlf': 'x\r\n',
    })
    const conf = await (await stubLoader()).appConfig('config:conf/x.ini', { relativeTo: directory })
    expect(Object.fromEntries(conf.localConf)).toEqual({ a: 'to%ken\n', b: 'x' })
  })

  test('that is missing, a directory, not UTF-8 or no name of a file is an error with its line', async () => {
    const directory = await fileDirectory({ 'x.ini': '' })
    await mkdir(join(directory, 'dir'))
    await writeFile(join(directory, 'bytes'), Uint8Array.of(0xff))
    const messages = []
    for (const name of ['no', 'dir', 'bytes', 'a\0b']) {
      await writeFile(join(directory, 'x.ini'), `${APP}a = \${file:${name}}\n`)
      const loader = await stubLoader()
      const error: unknown = await loader
        .appConfig('config:x.ini', { relativeTo: directory })
        .catch((thrown) => thrown)
      messages.push((error as Error).message.replaceAll(`${directory}/`, ''))
    }
    expect(messages).toEqual([
      'x.ini:3: [app:main] a: ${file:} of no: there is no such file',
      'x.ini:3: [app:main] a: ${file:} of dir: expected a regular file',
      'x.ini:3: [app:main] a: ${file:} of bytes: is not UTF-8',
      'x.ini:3: [app:main] a: ${file:} of a\0b: is no name of a file: it holds a NUL character',
    ])
  })
})
