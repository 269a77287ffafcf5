// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the INI's own
// Command line over section over [DEFAULT], and how far each of them reaches.

import { describe, expect, test } from 'vitest'
import type { LoadOptions } from '../../src/loader/index.js'
import { fileDirectory, stubLoader, type Tree, treeOf } from '../support/paste-stub.js'

async function load(
  files: Record<string, string>,
  options: LoadOptions = {},
): Promise<{ tree: Tree; warnings: string[] }> {
  const directory = await fileDirectory(files)
  const loader = await stubLoader({ env: {} })
  const { value, warnings } = await loader.load('app', 'config:x.ini', { relativeTo: directory, ...options })
  await loader.close()
  return {
    tree: treeOf(value)!,
    warnings: warnings.map(({ message }) => message.replaceAll(`${directory}/`, '')),
  }
}

/** Global settings that the file or the command line gave. */
function globals(tree: Tree): Record<string, string> {
  const { here: _here, __file__: _file, ...rest } = Object.fromEntries(tree.global as [string, string][])
  return rest
}

function locals(tree: Tree): Record<string, string> {
  return Object.fromEntries(tree.local as [string, string][])
}

const ECHO = 'use = egg:Stub#echo\n'

test('a key of a section reaches its factory, though [DEFAULT] has it too', async () => {
  const { tree } = await load({ 'x.ini': `[DEFAULT]\ndebug = false\n[app:main]\n${ECHO}debug = true\n` })
  expect(locals(tree)).toEqual({ debug: 'true' })
  expect(globals(tree)).toEqual({ debug: 'false' })
})

test('a key of an included section reaches its factory, though an outer [DEFAULT] has it too', async () => {
  const { tree } = await load({
    'x.ini': '[DEFAULT]\ndebug = outer\n[app:main]\nuse = config:in.ini\n',
    'in.ini': `[app:main]\n${ECHO}debug = inner\nother = %(debug)s\n`,
  })
  expect(locals(tree)).toEqual({ debug: 'inner', other: 'inner' })
  expect(globals(tree)).toEqual({ debug: 'outer' })
})

describe('a name on the command line', () => {
  const globalConf = { debug: 'cli' }

  test('beats the key of a section that has it, and is no key of one that has not', async () => {
    const { tree } = await load({ 'x.ini': `[app:main]\n${ECHO}debug = section\n` }, { globalConf })
    expect(locals(tree)).toEqual({ debug: 'cli' })
    const without = await load({ 'x.ini': `[app:main]\n${ECHO}` }, { globalConf })
    expect(locals(without.tree)).toEqual({})
    expect(globals(without.tree)).toEqual({ debug: 'cli' })
  })

  test('beats [DEFAULT], in global_conf and in %(name)s', async () => {
    const text = `[DEFAULT]\ndebug = default\nd = <%(debug)s>\n[app:main]\n${ECHO}x = %(debug)s %(d)s\n`
    const { tree } = await load({ 'x.ini': text }, { globalConf })
    expect(locals(tree)).toEqual({ x: 'cli <cli>' })
    expect(globals(tree)).toEqual({ debug: 'cli', d: '<cli>' })
  })

  test('beats "set" and "get", also those of a section that is used', async () => {
    const text = `[app:main]\nuse = base\n[app:base]\n${ECHO}set debug = set\nget copy = debug\nget debug = here\n`
    const { tree } = await load({ 'x.ini': text }, { globalConf })
    expect(locals(tree)).toEqual({ copy: 'cli', debug: 'cli' })
    expect(globals(tree)).toEqual({ debug: 'cli' })
  })

  test('reaches included files and mounts', async () => {
    const { tree } = await load(
      {
        'x.ini': '[composite:main]\nuse = egg:Paste#urlmap\n/ = config:in.ini\n',
        'in.ini': `[DEFAULT]\ndebug = in\n[app:main]\n${ECHO}debug = section\nx = %(debug)s\n`,
      },
      { globalConf },
    )
    const [[, , child]] = tree.mounts as [[null, string, Tree]]
    expect(locals(child)).toEqual({ debug: 'cli', x: 'cli' })
    expect(globals(child)).toEqual({ debug: 'cli' })
  })

  test('is text, whatever it holds', async () => {
    const { tree } = await load(
      { 'x.ini': `[app:main]\n${ECHO}x = %(pw)s\n` },
      { globalConf: { pw: '5% %(here)s ${env:A}' } },
    )
    expect(locals(tree)).toEqual({ x: '5% %(here)s ${env:A}' })
  })
})

describe('names that build a section', () => {
  const message = async (text: string, options: LoadOptions = {}) =>
    load({ 'x.ini': text }, options).then(
      () => 'loaded',
      (error: Error) => error.message.replace(/\S*\/x\.ini/g, 'x.ini'),
    )

  test.each(['use', 'next', 'pipeline'])(
    '"%s" in [DEFAULT] hides those of sections, and that is said',
    async (word) => {
      const section = { use: 'app:main', next: 'filter-app:main', pipeline: 'pipeline:main' }[word]
      const lines = word === 'next' ? 'use = egg:Stub#f1\nnext = a\n' : `${word} = a\n`
      expect(
        await message(`[DEFAULT]\n${word} = x\n[${section}]\n${lines}[app:a]\nuse = egg:Stub#echo\n`),
      ).toBe(
        `x.ini:${word === 'next' ? 5 : 4}: [${section}] ${word}: [DEFAULT] (line 2) has a "${word}" too, which hides this one.` +
          ' Take it out of there',
      )
    },
  )

  test('"use" on the command line hides them as well', async () => {
    expect(await message(`[app:main]\n${ECHO}`, { globalConf: { use: 'x' } })).toBe(
      'x.ini:2: [app:main] use: the command line has a "use" too, which hides this one. Take it out of there',
    )
  })

  test('"use" in [DEFAULT] alone makes no section', async () => {
    expect(await message(`[DEFAULT]\n${ECHO}[app:main]\nx = 1\n`)).toBe(
      'x.ini:3: [app:main]: expected "use = ..." or "paste.app_factory = ..." in it.' +
        ' The "use" of [DEFAULT] (line 2) does not count',
    )
  })
})

test('a pipeline lets a name of [DEFAULT] through, but not in silence', async () => {
  const text = `[DEFAULT]\nd = 1\n[pipeline:main]\npipeline = a\nd = 2\n[app:a]\n${ECHO}`
  const { tree, warnings } = await load({ 'x.ini': text })
  expect(globals(tree)).toEqual({ d: '1' })
  expect(warnings).toEqual([
    'x.ini:5: [pipeline:main] d: is no setting of a pipeline: it has only "pipeline", "filter-with", "require" and' +
      ' "set ..."; what [DEFAULT] (line 2) says counts',
  ])
})
