// What is made of a file: in which order, how often, and that it is closed again.

import { describe, expect, test } from 'vitest'
import { ConfigError, ConfigErrors, OptionError, OptionErrors } from '../../src/config/errors.js'
import { createLoader, type LoaderOptions, type Node } from '../../src/loader/index.js'
import type { App, Plugin } from '../../src/protocol.js'
import { fileDirectory } from '../support/paste-stub.js'

/** Parts that write down what happens to them. */
function recorder() {
  const log: string[] = []
  const closing = (name: string) => () => {
    log.push(`close ${name}`)
  }
  const made: App[] = []
  const plugin = {
    apps: {
      app: (_globalConf, { name = '' }) => {
        log.push(`app ${name}`)
        const app: App = Object.assign(() => name, { close: closing(`app ${name}`) })
        made.push(app)
        return app
      },
      throws: (_globalConf, { reason = 'no luck' }) => {
        throw new RangeError(reason)
      },
      rejects: async () => Promise.reject(new RangeError('no luck')),
      option: () => {
        throw new OptionError('port', 'expected a number')
      },
      options: () => {
        throw new OptionErrors([new OptionError('a', 'one'), new OptionError('b', 'two')])
      },
      nothing: () => undefined as unknown as App,
    },
    composites: {
      all: async (loader, globalConf, localConf) => {
        log.push('composite')
        const apps: App[] = []
        for (const [, name] of localConf) apps.push(await loader.getApp(name, globalConf))
        return Object.assign(() => apps, { close: closing('composite') })
      },
      parallel: async (loader, globalConf, localConf) => {
        const apps = await Promise.all([...localConf].map(([, name]) => loader.getApp(name, globalConf)))
        return () => apps
      },
      filtered: async (loader, globalConf) =>
        (await loader.getFilter('f', globalConf))(await loader.getApp('a', globalConf)),
    },
    filters: {
      filter: (_globalConf, { name = '' }) => {
        log.push(`filter ${name}`)
        return Object.assign(
          (next: App) => {
            log.push(`wrap ${name}`)
            const app: App = (req, res) => [name, next(req, res)]
            app.close = closing(`wrapped ${name}`)
            return app
          },
          { close: closing(`filter ${name}`) },
        )
      },
      transparent: () => (next) => next,
      copying: () => (next) => Object.assign(((req, res) => next(req, res)) as App, next),
      broken: () => () => 'no app' as unknown as App,
    },
    filterApps: {
      later: async (next, _globalConf, { name = '' }) => {
        const app: App = (req, res) => [name, next(req, res)]
        app.close = closing(`later ${name}`)
        return app
      },
    },
  } satisfies Plugin
  const lazy = (table: object) =>
    Object.fromEntries(Object.entries(table).map(([name, made]) => [name, async () => made]))
  const builtins = {
    t: Object.fromEntries(Object.entries(plugin).map(([name, table]) => [name, lazy(table)])),
  }
  return { log, made, builtins }
}

async function open(files: Record<string, string> | string, options: LoaderOptions = {}) {
  const directory = await fileDirectory(typeof files === 'string' ? { 'x.ini': files } : files)
  const { log, made, builtins } = recorder()
  const loader = createLoader({ builtins, env: {}, ...options })
  const plain = (text: string) => text.replaceAll(`${directory}/`, '')
  const load = (name = 'main', collect = false) =>
    loader.load('app', 'config:x.ini', { relativeTo: directory, name, collect })
  const message = (name?: string) =>
    load(name).then(
      () => 'loaded',
      (error: Error) => plain(error.message),
    )
  return { directory, loader, log, made, plain, load, message }
}

const call = (app: App | undefined) => app!({} as never, {} as never)

describe('order', () => {
  test('a filter-app makes what is behind it first, a pipeline its app and then its filters, filter-with the filter', async () => {
    const { load, log } = await open(`
[filter-app:main]
use = egg:t#filter
name = outer
next = pipe
[pipeline:pipe]
pipeline = f g a
[filter:f]
use = egg:t#filter
name = f
[filter:g]
use = egg:t#filter
name = g
[app:a]
use = egg:t#app
name = a
filter-with = w
[filter:w]
use = egg:t#filter
name = w
`)
    const { value, close } = await load()
    expect(call(value)).toEqual(['outer', ['f', ['g', ['w', 'a']]]])
    expect(log.splice(0)).toEqual([
      'filter w',
      'app a',
      'wrap w',
      'filter f',
      'filter g',
      'wrap g',
      'wrap f',
      'filter outer',
      'wrap outer',
    ])
    await close()
    await close()
    expect(log).toEqual([
      'close wrapped outer',
      'close filter outer',
      'close wrapped f',
      'close wrapped g',
      'close filter g',
      'close filter f',
      'close wrapped w',
      'close app a',
      'close filter w',
    ])
  })

  test('filters around filters nest', async () => {
    const { load } = await open(`
[pipeline:main]
pipeline = f a
[filter:f]
use = egg:t#filter
name = f
filter-with = g
[filter:g]
use = egg:t#later
name = g
filter-with = h
[filter:h]
use = egg:t#filter
name = h
[app:a]
use = egg:t#app
name = a
`)
    expect(call((await load()).value)).toEqual(['h', ['g', ['f', 'a']]])
  })
})

describe('one object', () => {
  test('for one section with one global conf, however often it is mounted', async () => {
    const { load, log, made } = await open(`
[composite:main]
use = egg:t#parallel
a = x
b = x
c = filtered
d = copy
[app:x]
use = egg:t#app
name = x
[app:copy]
use = x
[filter-app:filtered]
use = egg:t#transparent
next = x
`)
    const { value, close } = await load()
    const [a, b, c, d] = call(value) as App[]
    expect([a, b, c]).toEqual([made[0], made[0], made[0]])
    expect(d).toBe(made[1])
    await close()
    expect(log).toEqual(['app x', 'app x', 'close app x', 'close app x'])
  })

  test('but two for two global confs', async () => {
    const { load, made } = await open(`
[composite:main]
use = egg:t#all
a = x
b = other
[composite:other]
use = egg:t#all
set debug = true
a = x
[app:x]
use = egg:t#app
`)
    await load()
    expect(made).toHaveLength(2)
  })

  test('is not closed twice because a filter copied its close', async () => {
    const { load, log } = await open(`
[filter-app:main]
use = egg:t#copying
next = a
[app:a]
use = egg:t#app
name = a
`)
    await (await load()).close()
    expect(log).toEqual(['app a', 'close app a'])
  })

  test('a filter that a composite applies itself is closed too', async () => {
    const { load, log } = await open(`
[composite:main]
use = egg:t#filtered
[filter:f]
use = egg:t#filter
name = f
[app:a]
use = egg:t#app
name = a
`)
    await (await load()).close()
    expect(log.slice(3)).toEqual(['close wrapped f', 'close app a', 'close filter f'])
  })
})

describe('an error', () => {
  test('closes what was made before it, newest first', async () => {
    const { message, log } = await open(`
[composite:main]
use = egg:t#all
/ = a
/b = b
/c = bad
[app:a]
use = egg:t#app
name = a
[app:b]
use = egg:t#app
name = b
[app:bad]
use = egg:t#throws
`)
    expect(await message()).toBe('x.ini:14: [app:bad]: egg:t#throws threw RangeError: no luck')
    expect(log).toEqual(['composite', 'app a', 'app b', 'close app b', 'close app a'])
  })

  test('waits for what is being made at the same time, and closes that too', async () => {
    const { message, log } = await open(`
[composite:main]
use = egg:t#parallel
a = bad
b = pipe
[app:bad]
use = egg:t#rejects
[pipeline:pipe]
pipeline = f f f f f f a
[filter:f]
use = egg:t#filter
[app:a]
use = egg:t#app
name = a
`)
    expect(await message()).toBe('x.ini:7: [app:bad]: egg:t#rejects threw RangeError: no luck')
    const made = ['filter ', 'app a', ...Array.from({ length: 6 }, () => 'wrap ')]
    const closed = [...Array.from({ length: 6 }, () => 'close wrapped '), 'close filter ', 'close app a']
    expect(log.toSorted()).toEqual([...made, ...closed].sort())
  })

  test('in a static part comes before anything is made', async () => {
    const { message, log } = await open(`
[pipeline:main]
pipeline = f nope
[filter:f]
use = egg:t#filter
`)
    expect(await message()).toBe(
      'x.ini:3: [pipeline:main] pipeline: there is no [app:nope], [composite:nope], [pipeline:nope] or' +
        ' [filter-app:nope]. There is: main.',
    )
    expect(log).toEqual([])
  })

  test('about a setting is told at the line of that setting, wherever it comes from', async () => {
    const { message } = await open({
      'x.ini': `
[DEFAULT]
port = default
[app:main]
use = egg:t#option
[app:own]
use = egg:t#option
port = own
[app:used]
use = config:y.ini
[app:missing]
use = config:z.ini
`,
      'y.ini': '[app:main]\nuse = egg:t#option\nport = used\n',
      'z.ini': '[app:main]\nuse = egg:t#options\nb = 1\n',
    })
    expect(await message()).toBe('x.ini:3: [DEFAULT] port: expected a number')
    expect(await message('own')).toBe('x.ini:8: [app:own] port: expected a number')
    expect(await message('used')).toBe('y.ini:3: [app:main] port: expected a number')
    expect(await message('missing')).toBe('x.ini:12: [app:missing] a: one\nz.ini:3: [app:main] b: two')
  })

  test('never shows a secret', async () => {
    const { message } = await open(`
[app:main]
use = egg:t#throws
reason = key is %(my.secret)s!
my.secret = hunter22
`)
    expect(await message()).toBe('x.ini:3: [app:main]: egg:t#throws threw RangeError: ***')
  })

  test('of a factory that gives back nothing names the factory and what came', async () => {
    const { message } = await open(`
[app:main]
use = egg:t#nothing
[filter-app:f]
use = egg:t#broken
next = a
[app:a]
use = egg:t#app
`)
    expect(await message()).toBe(
      'x.ini:3: [app:main]: egg:t#nothing gave back undefined, expected an app, which is a function (req, res)',
    )
    expect(await message('f')).toBe(
      'x.ini:5: [filter-app:f]: egg:t#broken gave back a string, expected an app, which is a function (req, res)',
    )
  })
})

describe('a cycle is an error that prints the way round, with lines:', () => {
  const tail = '[app:a]\nuse = egg:t#app\n[filter:f]\nuse = egg:t#filter\n'

  test.each([
    [
      'use',
      '[app:main]\nuse = b\n[app:b]\nuse = main\n',
      '4: [app:b] use',
      '[app:main] -> [app:b] (x.ini:2) -> [app:main] (x.ini:4)',
    ],
    ['itself', '[app:main]\nuse = main\n', '2: [app:main] use', '[app:main] -> [app:main] (x.ini:2)'],
    [
      'next',
      '[filter-app:main]\nuse = f\nnext = p\n[pipeline:p]\npipeline = f\n  main\n',
      '5: [pipeline:p] pipeline',
      '[filter-app:main] -> [pipeline:p] (x.ini:3) -> [filter-app:main] (x.ini:5)',
    ],
    [
      'filter-with',
      '[app:main]\nuse = a\nfilter-with = g\n[filter:g]\nuse = f\nfilter-with = g\n',
      '6: [filter:g] filter-with',
      '[filter:g] -> [filter:g] (x.ini:6)',
    ],
    [
      'mounts',
      '[composite:main]\nuse = egg:t#all\n/a = a\n/b = p\n[pipeline:p]\npipeline = f main\n',
      '6: [pipeline:p] pipeline',
      '[composite:main] -> [pipeline:p] (x.ini:4) -> [composite:main] (x.ini:6)',
    ],
    [
      'mounts behind filter-with',
      '[composite:main]\nuse = egg:t#all\n/ = main\nfilter-with = f\n',
      '3: [composite:main] /',
      '[composite:main] -> [composite:main] (x.ini:3)',
    ],
  ])('%s', async (_title, text, place, way) => {
    const { message } = await open(text + tail)
    const first = way.split(' -> ', 1)[0]
    expect(await message()).toBe(`x.ini:${place}: ${first} needs itself: ${way}`)
  })

  test('across files', async () => {
    const { message } = await open({
      'x.ini': '[app:main]\nuse = config:y.ini\n',
      'y.ini': '[app:main]\nuse = config:x.ini\n',
    })
    expect(await message()).toBe(
      'y.ini:2: [app:main] use: [app:main] needs itself: [app:main] -> [app:main] (x.ini:2) -> [app:main] (y.ini:2)',
    )
  })

  test('of two that are made at the same time and wait for each other', async () => {
    const { message } = await open(
      `[composite:main]\nuse = egg:t#parallel\na = b\nb = c\n[composite:b]\nuse = egg:t#all\nx = c\n` +
        '[composite:c]\nuse = egg:t#all\nx = b\n',
    )
    expect(await message()).toMatch(
      /^x\.ini:\d+: \[composite:[bc]\] x: \[composite:([bc])\] needs itself: \[composite:\1\] -> \[composite:[bc]\] \(x\.ini:\d+\) -> \[composite:\1\] \(x\.ini:\d+\)$/,
    )
  })
})

describe('names of a composite', () => {
  const composite =
    '[composite:main]\nuse = config:in.ini#map\n/outer = home\n[app:home]\nuse = egg:t#app\nname = outer home\n'
  const inner =
    '[composite:map]\nuse = egg:t#all\n/ = home\n/more = home\n[app:home]\nuse = egg:t#app\nname = inner home\n'

  test('are looked up in the file where each of them is written', async () => {
    const { load } = await open({ 'x.ini': composite, 'in.ini': inner })
    const apps = call((await load()).value) as App[]
    expect(apps.map(call)).toEqual(['inner home', 'inner home', 'outer home'])
  })
})

describe('collect', () => {
  const BROKEN = `
[composite:main]
use = egg:t#all
/a = a
/b = nope
/c = bad
/d = pipe
[app:a]
use = egg:t#option
port = x
pw = 5%
[app:bad]
use = egg:t#throws
[pipeline:pipe]
pipeline = f g a
[filter:f]
use = egg:t#filterr
`

  test('gathers every mistake instead of stopping at the first', async () => {
    const { load, plain } = await open(BROKEN)
    const { value, errors, close } = await load('main', true)
    expect(value).toBeUndefined()
    expect(errors.every((error) => error instanceof ConfigError)).toBe(true)
    expect(errors.map(({ message }) => plain(message))).toEqual([
      'x.ini:11: [app:a] pw: expected %% or %(name)s. Write %% for a literal %',
      'x.ini:10: [app:a] port: expected a number',
      'x.ini:5: [composite:main] /b: there is no [app:nope], [composite:nope], [pipeline:nope] or [filter-app:nope].' +
        ' There is: main, a, bad, pipe.',
      'x.ini:13: [app:bad]: egg:t#throws threw RangeError: no luck',
      'x.ini:17: [filter:f] use: egg:t has no filter "filterr". Did you mean "filter"?' +
        ' There is: filter, transparent, copying, broken, later.',
      'x.ini:15: [pipeline:pipe] pipeline: there is no [filter:g]. There is: f.',
    ])
    await close()
  })

  test('gathers mistakes of the text as well', async () => {
    const { load, plain } = await open('[app:main]\nuse = egg:t#app\nflag\n[app:main]\n')
    const { errors } = await load('main', true)
    expect(errors.map(({ message }) => plain(message))).toEqual([
      'x.ini:3: [app:main]: expected "key = value", got "flag". A line that continues a value is indented',
      'x.ini:4: [app:main]: is there twice: first on line 1',
    ])
  })
})

describe('the tree', () => {
  const outline = (node: Node): unknown => [
    `${node.role}: ${node.shape} ${node.name} ${node.use ?? ''}`.trim(),
    ...node.children.map(outline),
  ]

  test('shows what a request meets, with the key of each mount', async () => {
    const { load } = await open({
      'x.ini': `
[filter-app:main]
use = egg:t#filter
next = map
[composite:map]
use = egg:t#all
/ = home
/p = pipe
/in = config:in.ini
[app:home]
use = egg:t#app
filter-with = f
[pipeline:pipe]
pipeline = f egg:t#filter home
[filter:f]
use = egg:t#filter
`,
      'in.ini': '[app:main]\nuse = egg:t#app\n',
    })
    const { node } = await load()
    const home = (role: string) => [`${role}: filter f egg:t#filter`, ['next: app home egg:t#app']]
    expect(outline(node!)).toEqual([
      'main: filter-app main egg:t#filter',
      [
        'next: composite map egg:t#all',
        home('/'),
        [
          '/p: pipeline pipe',
          ['filter: filter f egg:t#filter'],
          ['filter: filter egg:t#filter egg:t#filter'],
          home('app'),
        ],
        ['/in: app main egg:t#app'],
      ],
    ])
  })

  test('shows each value with its origin and place, and no secret', async () => {
    const { loader, directory } = await open({
      'x.ini': `
[DEFAULT]
data = /data
db_password = hunter22
[app:main]
use = base
own = 1
url = postgres://me:%(db_password)s@host/
proxy = http://me:pass@host/
port = 1
[app:base]
use = egg:t#app
mine = 2
set debug = true
`,
    })
    const { node } = await loader.load('app', 'config:x.ini', {
      relativeTo: directory,
      globalConf: { port: '8080' },
    })
    const rows = node!.settings.map(
      ({ key, value, from, place, scope }) => `${scope} ${key}=${value} ${from} ${place?.line ?? '-'}`,
    )
    expect(rows).toEqual([
      'local mine=2 used section 13',
      'local own=1 section 7',
      'local url=*** section 8',
      'local proxy=http://me:***@host/ section 9',
      'local port=8080 command line -',
      'global data=/data default 3',
      'global db_password=*** default 4',
      'global debug=true set 14',
    ])
    expect(node!.place).toEqual({ file: `${directory}/x.ini`, line: 6, section: 'app:main' })
  })

  test('is written as JSON with its settings and its children', async () => {
    const { load } = await open('[composite:main]\nuse = egg:t#all\n/ = home\n[app:home]\nuse = egg:t#app\n')
    const { node } = await load()
    const root = node!
    const first = root.children[0]!
    const asJson = ({ kind, shape, name, use, place, settings, role }: Node, children: unknown[]) =>
      JSON.stringify({ kind, shape, name, use, place, settings, role, children })
    expect(JSON.stringify(first)).toBe(asJson(first, []))
    expect(JSON.stringify(root)).toBe(asJson(root, [JSON.parse(JSON.stringify(first))]))
    expect(root.settings.map(({ key, value }) => `${key}=${value}`)).toEqual(['/=home'])
  })
})

describe('a value that is put into a secret is shown nowhere:', () => {
  const shown = (node: { settings: readonly { key: string; value: string }[] } | undefined) =>
    node!.settings.map(({ key, value }) => `${key}=${value}`)

  test('not by its own name, and not where else it is put in', async () => {
    const { load } = await open(`
[DEFAULT]
db = hunter22
plain = %(here)s
[app:main]
use = egg:t#app
password = %(db)s
url = postgres://me:%(db)s@host/
`)
    const { node } = await load()
    expect(shown(node).filter((row) => !row.startsWith('plain'))).toEqual([
      'password=***',
      'url=***',
      'db=***',
    ])
  })

  test('not where another section or file does that, or the command line gives it', async () => {
    const { loader, directory } = await open({
      'x.ini': `
[DEFAULT]
db = hunter22
[composite:main]
use = egg:t#all
/ = config:y.ini#a
/b = b
[app:b]
use = egg:t#app
`,
      'y.ini': '[app:a]\nuse = egg:t#app\npassword = %(db)s-%(cli)s\n',
    })
    const { node } = await loader.load('app', 'config:x.ini', {
      relativeTo: directory,
      globalConf: { cli: 'hunter33' },
    })
    expect(shown(node).slice(-2)).toEqual(['cli=***', 'db=***'])
    expect(shown(node!.children[0])).toEqual(['password=***', 'cli=***', 'db=***'])
    expect(shown(node!.children[1])).toEqual(['cli=***', 'db=***'])
  })

  test('not in the message of a factory that throws it', async () => {
    const { message } = await open(`
[app:main]
use = egg:t#throws
reason = key is hunter22!
db = hunter22
own_password = %(db)s
`)
    expect(await message()).toBe('x.ini:3: [app:main]: egg:t#throws threw RangeError: key is ***!')
  })
})

describe('checkAll', () => {
  test('makes app, server and what nothing uses, tells all mistakes once, and closes everything', async () => {
    const { loader, directory, log, plain } = await open(`
[app:main]
use = egg:t#app
name = a
[app:spare]
use = egg:t#option
[filter:spare]
use = egg:t#filter
[formatter_generic]
format = %(bad)
`)
    const report = await loader.checkAll('config:x.ini', { relativeTo: directory })
    expect(report.errors.map(({ message }) => plain(message))).toEqual([
      'x.ini: there is no [server:main].',
      'x.ini:6: [app:spare] port: expected a number',
    ])
    expect(report.unused).toEqual([
      { title: 'app:spare', place: { file: `${directory}/x.ini`, line: 5, section: 'app:spare' } },
      { title: 'filter:spare', place: { file: `${directory}/x.ini`, line: 7, section: 'filter:spare' } },
    ])
    expect(report.app!.name).toBe('main')
    expect(log).toEqual(['app a', 'filter ', 'close filter ', 'close app a'])
  })

  test('makes sections that use each other together, however many they are and in whatever order', async () => {
    const count = 3000
    const sections = (target: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => `[app:a${index}]\nuse = ${target(index)}\n`).join('')
    for (const target of [
      (index: number) => (index === count - 1 ? 'egg:t#app' : `a${index + 1}`),
      (index: number) => (index === 0 ? 'egg:t#app' : `config:x.ini#a${index - 1}`),
    ]) {
      const { loader, directory, log } = await open(`[app:main]\nuse = egg:t#app\n${sections(target)}`)
      const report = await loader.checkAll('config:x.ini', { relativeTo: directory })
      expect(report.unused).toHaveLength(count)
      expect(log.filter((line) => line.startsWith('app'))).toHaveLength(2)
    }
  })

  test('takes no pipelines in pipelines and no mounts in mounts for a cycle, however deep they go', async () => {
    const count = 5000
    const sections = (head: (index: number) => string) =>
      Array.from(
        { length: count },
        (_, index) => `${head(index)} ${index === count - 1 ? 'a' : `s${index + 1}`}\n`,
      )
    for (const head of [
      (index: number) => `[pipeline:s${index}]\npipeline = f`,
      (index: number) => `[composite:s${index}]\nuse = egg:t#all\n/ =`,
    ]) {
      const { loader, directory } = await open(
        `[server:main]\nuse = egg:t#server\n[app:main]\nuse = a\n[app:a]\nuse = egg:t#app\n` +
          `[filter:f]\nuse = egg:t#filter\n${sections(head).join('')}`,
      )
      const { errors, unused } = await loader.checkAll('config:x.ini', { relativeTo: directory })
      expect(errors.map(({ code }) => code)).not.toContain('cycle')
      expect(unused.length).toBeGreaterThanOrEqual(count)
    }
  })

  const many = 3000
  const lines = (line: (index: number) => string) =>
    Array.from({ length: many }, (_, index) => `${line(index)}\n`).join('')

  test.each([
    [
      'sections',
      `[app:main]\nuse = egg:t#app\n${lines((index) => `[app:a${index}]\nuse = nobody${index}`)}`,
      'x.ini:6002: [app:a2999] use: there is no [app:nobody2999], [composite:nobody2999], ' +
        '[pipeline:nobody2999] or [filter-app:nobody2999].',
    ],
    [
      'values',
      `[app:main]\nuse = egg:t#app\n${lines((index) => `key${index} = %(nosuch${index})s`)}`,
      'x.ini:3002: [app:main] key2999: %(nosuch2999)s: there is no "nosuch2999" in [app:main] and [DEFAULT].',
    ],
    [
      'global values',
      `[DEFAULT]\n${lines((index) => `name${index} = 1`)}[app:main]\nuse = egg:t#app\n` +
        lines((index) => `get key${index} = nosuch${index}`),
      'x.ini:6003: [app:main] get key2999: there is no "nosuch2999" in [DEFAULT], in a "set" or on the command line.',
    ],
  ])('tells all mistakes of a file that has as many of them as %s', async (_title, text, last) => {
    const { loader, directory, plain } = await open(text)
    const { errors } = await loader.checkAll('config:x.ini', { relativeTo: directory })
    const messages = errors.map((error) => plain(error.message))
    expect(messages).toHaveLength(many + 1)
    expect(messages[1]).toMatch(/ There is: .* and \d+ more\.$/)
    expect(messages.at(-1)).toBe(last)
  })

  test('finds the cycle of sections that nothing else uses', async () => {
    const { loader, directory, plain } = await open(
      '[server:main]\nuse = egg:t#server\n[app:main]\nuse = egg:t#app\n[app:a]\nuse = b\n[app:b]\nuse = a\n',
    )
    const report = await loader.checkAll('config:x.ini', { relativeTo: directory })
    expect(report.errors.map(({ message }) => plain(message)).slice(-1)).toEqual([
      'x.ini:8: [app:b] use: [app:a] needs itself: [app:a] -> [app:b] (x.ini:6) -> [app:a] (x.ini:8)',
    ])
  })

  test('of a file that is not there tells that once', async () => {
    const { loader, directory, plain } = await open('')
    const { errors } = await loader.checkAll('config:y.ini', { relativeTo: directory })
    expect(errors.map(({ message }) => plain(message))).toEqual([
      'y.ini: there is no such file. Did you mean "x.ini"?',
    ])
  })
})

test('closing goes on after a part that fails to close, and tells it at the end', async () => {
  const log: string[] = []
  const app = (name: string) => () =>
    Object.assign(() => {}, {
      close: () => {
        log.push(name)
        if (name !== 'a') throw new Error(`${name} is stuck`)
      },
    })
  const composite = async () => async (loader: { getApp(name: string): Promise<App> }) => {
    for (const name of ['a', 'b', 'c']) await loader.getApp(`egg:t#${name}`)
    return () => {}
  }
  const apps = { a: async () => app('a'), b: async () => app('b'), c: async () => app('c') }
  const loader = createLoader({ builtins: { t: { apps, composites: { main: composite } } } })
  const loaded = await loader.load('app', 'egg:t')
  await expect(loaded.close()).rejects.toThrow('Error: c is stuck\nError: b is stuck')
  expect(log).toEqual(['c', 'b', 'a'])
})

test('mistakes of several settings come as one ConfigErrors', async () => {
  const { load } = await open('[app:main]\nuse = egg:t#options\n')
  const error: unknown = await load().catch((thrown) => thrown)
  expect(error).toBeInstanceOf(ConfigErrors)
})
