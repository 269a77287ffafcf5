// Where parts come from: sections, other files, eggs, packages, files, functions, Connect middleware.

import { EventEmitter } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Kind } from '../../src/loader/index.js'
import { fileDirectory, marker, stubLoader, treeOf } from '../support/paste-stub.js'

/** Loads `main` of x.ini in a directory of these files; answers the stub's tree, or what the app is. */
async function use(files: Record<string, string>, kind: Kind = 'app', name = 'main'): Promise<unknown> {
  const directory = await fileDirectory(files)
  const loader = await stubLoader({ env: {} })
  try {
    const { value } = await loader.load(kind, 'config:x.ini', { relativeTo: directory, name })
    const app = kind === 'filter' ? (value as (next: unknown) => unknown)(marker) : value
    return treeOf(app) ?? app
  } catch (error) {
    return (error as Error).message.replaceAll(`${directory}/`, '').replaceAll(directory, '.')
  } finally {
    await loader.close()
  }
}

/** An app factory that says its name and settings. */
const FACTORY = (name: string) =>
  `(globalConf, localConf) => Object.assign(() => {}, { tree: { name: '${name}', settings: Object.fromEntries(localConf) } })`

const manifest = (fields: object) =>
  JSON.stringify({ name: 'x', version: '1.0.0', type: 'module', ...fields })

describe('a package', () => {
  const plugin = `export default { apps: { main: ${FACTORY('main')}, blog: ${FACTORY('blog')} },
    filters: { gzip: () => (next) => next } }`

  test.each([
    ['npm:parts#blog', 'blog'],
    ['npm:parts', 'main'],
    ['egg:parts#blog', 'blog'],
    ['egg:Parts#blog', 'blog'],
  ])('with a pkg/sessd export is used as %s', async (uri, name) => {
    const files = {
      'x.ini': `[app:main]\nuse = ${uri}\na = 1\n`,
      'node_modules/parts/package.json': manifest({ name: 'parts', exports: { './sessd': './plugin.js' } }),
      'node_modules/parts/plugin.js': plugin,
    }
    expect(await use(files)).toEqual({ name, settings: { a: '1' } })
  })

  test('is found by the name that its Python egg had', async () => {
    const files = {
      'x.ini': '[app:main]\nuse = egg:My_Parts#blog\n',
      'node_modules/my-parts/package.json': manifest({ exports: { './sessd': './plugin.js' } }),
      'node_modules/my-parts/plugin.js': plugin,
    }
    expect(await use(files)).toEqual({ name: 'blog', settings: {} })
  })

  test('that the INI belongs to is found by its own name', async () => {
    const files = {
      'package.json': manifest({ name: 'my-site', exports: { './sessd': './plugin.js' } }),
      'plugin.js': plugin,
      'conf/x.ini': '',
      'x.ini': '[app:main]\nuse = egg:my_site#blog\n',
    }
    expect(await use(files)).toEqual({ name: 'blog', settings: {} })
  })

  test('that is made for import only is used, with nested conditions and patterns', async () => {
    const exports = { './*.js': null, './sessd': { browser: './no.js', node: { import: './plugin.js' } } }
    const files = {
      'x.ini': '[app:main]\nuse = npm:@me/parts#blog\n',
      'node_modules/@me/parts/package.json': manifest({ name: '@me/parts', exports }),
      'node_modules/@me/parts/plugin.js': plugin,
    }
    expect(await use(files)).toEqual({ name: 'blog', settings: {} })
  })

  test('without a pkg/sessd export gives the export of that name, and its default export for none', async () => {
    const files = {
      'x.ini':
        '[app:main]\nuse = npm:plain\n[app:named]\nuse = npm:plain#named\n[app:sub]\nuse = npm:plain/sub/x\n',
      'node_modules/plain/package.json': manifest({ exports: { '.': './a.js', './sub/*': './lib/*.js' } }),
      'node_modules/plain/a.js': `export default ${FACTORY('default')}\nexport const named = ${FACTORY('named')}`,
      'node_modules/plain/lib/x.js': `export const main = ${FACTORY('sub')}`,
    }
    expect(await use(files)).toMatchObject({ name: 'default' })
    expect(await use(files, 'app', 'named')).toMatchObject({ name: 'named' })
    expect(await use(files, 'app', 'sub')).toMatchObject({ name: 'sub' })
  })

  test('in CommonJS, without "exports", is used as well', async () => {
    const files = {
      'x.ini': '[app:main]\nuse = npm:old#make\n[app:lib]\nuse = npm:old/lib/more#make\n',
      'node_modules/old/package.json': manifest({ type: 'commonjs', main: 'lib' }),
      'node_modules/old/lib/index.js': `const table = {}; table.make = ${FACTORY('old')}; module.exports = table`,
      'node_modules/old/lib/more.js': `exports.make = ${FACTORY('more')}`,
    }
    expect(await use(files)).toMatchObject({ name: 'old' })
    expect(await use(files, 'app', 'lib')).toMatchObject({ name: 'more' })
  })

  test('that a compiler made CommonJS of has the exports that were written', async () => {
    const mark = `Object.defineProperty(exports, '__esModule', { value: true })`
    const files = {
      'x.ini':
        '[app:main]\nuse = npm:parts#blog\n[app:file]\nuse = file:part.cjs\n[app:no]\nuse = file:part.cjs#no\n',
      'node_modules/parts/package.json': manifest({
        type: 'commonjs',
        exports: { './sessd': './plugin.js' },
      }),
      'node_modules/parts/plugin.js': `${mark}; exports.default = { apps: { blog: ${FACTORY('blog')} } }`,
      'part.cjs': `${mark}; exports.default = ${FACTORY('default')}; exports.more = 1`,
    }
    expect(await use(files)).toMatchObject({ name: 'blog' })
    expect(await use(files, 'app', 'file')).toMatchObject({ name: 'default' })
    expect(await use(files, 'app', 'no')).toBe(
      'x.ini:6: [app:no] use: file:part.cjs exports no "no". There is: default, more.',
    )
  })

  test('that is missing, or lacks the part, is told with what there is', async () => {
    const files = {
      'node_modules/parts/package.json': manifest({ name: 'parts', exports: { './sessd': './plugin.js' } }),
      'node_modules/parts/plugin.js': plugin,
      'node_modules/parts/a.js': '',
    }
    const message = (uri: string) => use({ ...files, 'x.ini': `[app:main]\nuse = ${uri}\n` })
    expect(await message('npm:partz')).toBe(
      'x.ini:2: [app:main] use: npm:partz: no package "partz" is installed, seen from ..',
    )
    expect(await message('egg:Pastee#urlmap')).toBe(
      'x.ini:2: [app:main] use: egg:Pastee: no package "Pastee" is installed, seen from ..' +
        ' It is none of our own eggs. Did you mean "paste"? There is: paste, beaker, waitress.',
    )
    expect(await message('npm:parts#blgo')).toBe(
      'x.ini:2: [app:main] use: npm:parts has no app "blgo". Did you mean "blog"? There is: main, blog.',
    )
    expect(await message('npm:parts#gzip')).toBe(
      'x.ini:2: [app:main] use: npm:parts has no app "gzip" (it is a filter). There is: main, blog.',
    )
    expect(await message('npm:parts/a.js')).toBe(
      'x.ini:2: [app:main] use: npm:parts/a.js: the package in node_modules/parts has no "./a.js" that it exports',
    )
  })
})

describe('a file', () => {
  test('gives the export of that name, or its default export; from the directory of its INI', async () => {
    const files = {
      'x.ini': '[app:main]\nuse = config:sub/y.ini\n[app:named]\nuse = file:sub/parts.js#named\n',
      'sub/y.ini': '[app:main]\nuse = file:./parts.js\na = 1\n',
      'sub/parts.js': `export default ${FACTORY('default')}\nexport const named = ${FACTORY('named')}`,
    }
    expect(await use(files)).toEqual({ name: 'default', settings: { a: '1' } })
    expect(await use(files, 'app', 'named')).toEqual({ name: 'named', settings: {} })
  })

  test('may export a Plugin', async () => {
    const files = {
      'x.ini': '[composite:main]\nuse = file:parts.mjs#all\nk = a\n[app:a]\nuse = egg:Stub#echo\n',
      'parts.mjs': `export default { composites: { all: async (loader, globalConf, { k }) => loader.getApp(k, globalConf) } }`,
    }
    expect(await use(files)).toMatchObject({ factory: 'Stub#echo' })
  })

  test('that exports a function makes what its section says: an app, a composite, a filter or a server', async () => {
    const files = {
      'x.ini': [
        '[composite:main]\nuse = file:parts.js#composite\nk = a',
        '[app:a]\nuse = file:parts.js#app',
        '[filter:f]\nuse = file:parts.js#filter',
        '[filter-app:fa]\nuse = file:parts.js#filter\nnext = a',
      ].join('\n'),
      'parts.js': `export const app = ${FACTORY('app')}
        export const composite = (loader, globalConf, { k }) => loader.getApp(k, globalConf)
        export const filter = () => (next) => Object.assign(() => {}, { tree: { around: next.tree } })`,
    }
    expect(await use(files)).toEqual({ name: 'app', settings: {} })
    expect(await use(files, 'filter', 'f')).toEqual({ around: { kind: 'marker' } })
    expect(await use(files, 'app', 'fa')).toEqual({ around: { name: 'app', settings: {} } })
  })

  test('that exports a plain (req, res) handler is mounted with "kind = handler"', async () => {
    const files = {
      'x.ini': '[app:main]\nuse = file:hello.js\nkind = handler\n[app:more]\nuse = main\ncolour = red\n',
      'hello.js': `export default Object.assign((req, res) => res.end('hello'), { tree: 'the handler itself' })`,
    }
    expect(await use(files)).toBe('the handler itself')
    expect(await use(files, 'app', 'more')).toBe(
      'x.ini:6: [app:more] colour: finds no taker: file:hello.js is finished and takes no settings',
    )
  })

  test('that is missing, is a directory, or throws is told at its line', async () => {
    const files = { 'parts.js': 'throw new RangeError("no luck")', 'sub/x.js': '' }
    const message = (uri: string) => use({ ...files, 'x.ini': `[app:main]\nuse = ${uri}\n` })
    expect(await message('file:part.js')).toBe(
      'x.ini:2: [app:main] use: file:part.js: there is no file part.js. Did you mean "parts.js"?',
    )
    expect(await message('file:sub')).toBe(
      'x.ini:2: [app:main] use: file:sub: sub is a directory, expected a module',
    )
    expect(await message('file:parts.js')).toBe(
      'x.ini:2: [app:main] use: file:parts.js threw while it was loaded: RangeError: no luck',
    )
  })

  test('without that export lists what it has', async () => {
    const files = {
      'x.ini': '[app:main]\nuse = file:parts.js#mak\n',
      'parts.js': 'export const make = 1\nexport default { other: 2 }',
    }
    expect(await use(files)).toBe(
      'x.ini:2: [app:main] use: file:parts.js exports no "mak". Did you mean "make"? There is: make, default, other.',
    )
  })

  test('whose name is empty, or holds a NUL character, is refused', async () => {
    const message = (uri: string) => use({ 'x.ini': `[app:main]\nuse = ${uri}\n` })
    expect(await message('')).toBe(
      'x.ini:2: [app:main] use: there is no [app:], [composite:], [pipeline:] or [filter-app:]. The name is empty. There is: main.',
    )
    expect(await message('config:a\0b.ini')).toBe(
      'x.ini:2: [app:main] use: a\0b.ini: is no name of a file: it holds a NUL character',
    )
  })

  test('whose export is no function is refused', async () => {
    const files = { 'x.ini': '[app:main]\nuse = file:parts.js#port\n', 'parts.js': 'export const port = 80' }
    expect(await use(files)).toBe(
      'x.ini:2: [app:main]: file:parts.js#port is a number, expected an app factory (globalConf, localConf)',
    )
  })
})

describe('call: and paste.*_factory', () => {
  const parts = `export const make = ${FACTORY('make')}
    export class Site { static title = 'site'; static make() { return Object.assign(() => {}, { tree: this.title }) } }`

  test.each([
    'use = call:./parts.js:make',
    'use = call:parts.js:make',
    'paste.app_factory = ./parts.js:make',
    'paste.app_factory = ./parts.js : make',
  ])('%s', async (line) => {
    expect(await use({ 'x.ini': `[app:main]\n${line}\na = 1\n`, 'parts.js': parts })).toEqual({
      name: 'make',
      settings: { a: '1' },
    })
  })

  test.each(['use = call:./parts.js:Site.make', 'paste.app_factory = ./parts.js:Site.make'])(
    '%s is called on its object',
    async (line) => {
      expect(await use({ 'x.ini': `[app:main]\n${line}\n`, 'parts.js': parts })).toBe('site')
    },
  )

  test('a name of Object.prototype is no export', async () => {
    const files = { 'x.ini': '[app:main]\nuse = call:./parts.js:Site.toString\n', 'parts.js': parts }
    expect(await use(files)).toBe(
      'x.ini:2: [app:main] use: ./parts.js exports no "Site.toString". There is: title.',
    )
  })

  test('without a function is told what is expected', async () => {
    expect(await use({ 'x.ini': '[app:main]\nuse = call:parts\n' })).toBe(
      'x.ini:2: [app:main] use: expected module:function, got "parts"',
    )
  })

  test('two factories in one section are one too many', async () => {
    const lines =
      'paste.app_factory = corpus_stubs:make_app\npaste.composite_factory = corpus_stubs:make_comp\n'
    expect(await use({ 'x.ini': `[app:main]\n${lines}` })).toBe(
      'x.ini:1: [app:main]: has both paste.app_factory and paste.composite_factory. Keep one',
    )
  })
})

describe('connect:', () => {
  const tag = `export default (options) => (req, res, next) => { req.seen = options; next() }`
  const ini = (lines: string) => `[filter:main]\nuse = connect:tag\n${lines}`
  const files = (lines: string) => ({
    'x.ini': ini(lines),
    'node_modules/tag/package.json': manifest({ exports: './tag.js' }),
    'node_modules/tag/tag.js': tag,
  })

  /** The options that the middleware's maker was called with. */
  async function options(lines: string): Promise<unknown> {
    const directory = await fileDirectory(files(lines))
    const loader = await stubLoader({ env: {} })
    const { value } = await loader.load('filter', 'config:x.ini', { relativeTo: directory })
    const req = { seen: 'nothing' }
    await value!((request) => request)(req as never, new EventEmitter() as never)
    return req.seen
  }

  test('calls the maker without options when there are none', async () => {
    expect(await options('')).toBeUndefined()
  })

  test('gives settings their types, and dots reach inside', async () => {
    const lines =
      'a = true\nb = 1.5\nc = 007\nd = ["x"]\ne = text\nhsts.maxAge = 60\nhsts.preload = false\n__proto__ = x\n'
    const seen = await options(lines)
    expect(Object.entries(seen as object)).toEqual([
      ['a', true],
      ['b', 1.5],
      ['c', '007'],
      ['d', ['x']],
      ['e', 'text'],
      ['hsts', { maxAge: 60, preload: false }],
      ['__proto__', 'x'],
    ])
  })

  test('a broken JSON, or a key that is value and table, is told at its line', async () => {
    expect(await use(files('a = [1,\n  2,]\n'), 'filter')).toBe(
      'x.ini:3: [filter:main] a: expected JSON, as it begins and ends like some',
    )
    expect(await use(files('a = 1\na.b = 2\n'), 'filter')).toBe(
      "x.ini:4: [filter:main] a.b: a has a value already, so it can't have parts",
    )
    expect(await use(files('a.b = 2\na = 1\n'), 'filter')).toBe(
      "x.ini:4: [filter:main] a: has parts already, so it can't have a value",
    )
  })

  test('makes filters only', async () => {
    expect(await use({ ...files(''), 'x.ini': '[app:main]\nuse = connect:tag\n' })).toBe(
      'x.ini:2: [app:main] use: connect: makes a filter, expected an app',
    )
  })
})

describe('a URI', () => {
  test.each([
    [
      'zconfig:y.ini',
      'there is no scheme "zconfig:". Did you mean "config:"? There is: config:, egg:, npm:, file:, call:, connect:.',
    ],
    [
      'config:y.ini#nope',
      'there is no [app:nope], [composite:nope], [pipeline:nope] or [filter-app:nope] in y.ini. There is: main.',
    ],
    ['config:z.ini', 'z.ini: there is no such file. Did you mean "x.ini"?'],
    ['config:node_modules', 'node_modules: is a directory, expected an INI file'],
  ])('%s that leads nowhere is told at its line', async (uri, reason) => {
    const files = { 'x.ini': `[app:main]\nuse = ${uri}\n`, 'y.ini': '[app:main]\nuse = egg:Stub#echo\n' }
    expect(await use(files)).toBe(`x.ini:2: [app:main] use: ${reason}`)
  })

  test('that is relative needs a directory, never the current one', async () => {
    const loader = await stubLoader()
    await expect(loader.load('app', 'config:x.ini')).rejects.toThrow(
      'config:x.ini is relative, and there is no directory that it is relative to',
    )
  })

  test('may name a file by percent escapes', async () => {
    const directory = await fileDirectory({ 'a b#c.ini': '[app:main]\nuse = egg:Stub#echo\n' })
    const loader = await stubLoader()
    for (const uri of [
      'config:a%20b%23c.ini',
      `config:${directory}/a b%23c.ini`,
      `CONFIG:./a b%23c.ini#main`,
    ]) {
      const { value } = await loader.load('app', uri, { relativeTo: directory })
      expect(treeOf(value)).toMatchObject({ factory: 'Stub#echo' })
    }
    await writeFile(join(directory, 'done'), '')
  })
})

test('what a section requires has to be there: an egg of ours or a package', async () => {
  const ini = (names: string) => ({ 'x.ini': `[app:main]\nuse = egg:Stub#echo\nrequire = ${names}\n` })
  expect(await use(ini('Paste stub my_project'))).toMatchObject({ local: [] })
  expect(await use(ini('Paste Nope'))).toBe(
    'x.ini:3: [app:main] require: needs "Nope", and there is no egg and no installed package of that name',
  )
})

test('a chain of 3,000 sections that use each other is no problem', async () => {
  const sections = Array.from(
    { length: 3000 },
    (_, index) => `[app:a${index}]\nuse = a${index + 1}\nk${index} = ${index}\n`,
  )
  const tree = await use({ 'x.ini': `${sections.join('')}[app:a3000]\nuse = egg:Stub#echo\n` }, 'app', 'a0')
  expect((tree as { local: unknown[] }).local).toHaveLength(3000)
})
