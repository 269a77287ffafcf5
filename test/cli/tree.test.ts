import { describe, expect, test } from 'vitest'
import { drawTrees } from '../../src/cli/tree.js'
import type { Node, NodeSetting } from '../../src/loader.js'

const plain = {
  settings: false,
  columns: 80,
  paint: (_format: unknown, text: string) => text,
  fileName: (file: string) => file,
}

function node(given: Partial<Node> & Pick<Node, 'shape' | 'name'>): Node {
  return { kind: 'app', use: undefined, place: undefined, settings: [], role: 'main', children: [], ...given }
}

function at(line: number) {
  return { file: 'app.ini', line }
}

function setting(given: Partial<NodeSetting> & Pick<NodeSetting, 'key' | 'value'>): NodeSetting {
  return { from: 'section', secret: false, scope: 'local', ...given }
}

const home = node({ shape: 'app', name: 'home', use: 'file:./home.js', place: at(20), role: '/' })
const api = node({ shape: 'app', name: 'api', use: 'file:./api.js', place: at(23), role: '/api' })
const mounts = node({
  shape: 'composite',
  name: 'mounts',
  use: 'egg:Paste#urlmap',
  place: at(15),
  role: 'next',
  children: [home, api],
})
const main = node({
  shape: 'filter-app',
  name: 'main',
  use: 'egg:Beaker#beaker_session',
  place: at(8),
  children: [mounts],
})
const server = node({ kind: 'server', shape: 'server', name: 'main', use: 'egg:Paste#http', place: at(2) })

describe('the tree', () => {
  test('has a line for each part, in columns', () => {
    expect(drawTrees([server, main], plain).split('\n')).toEqual([
      '[server:main]           egg:Paste#http             app.ini:2',
      '[filter-app:main]       egg:Beaker#beaker_session  app.ini:8',
      '└─ [composite:mounts]   egg:Paste#urlmap           app.ini:15',
      '   ├─ /     [app:home]  file:./home.js             app.ini:20',
      '   └─ /api  [app:api]   file:./api.js              app.ini:23',
    ])
  })

  test('puts what made a part below it where the columns would be too wide', () => {
    expect(drawTrees([main], { ...plain, columns: 60 }).split('\n')).toEqual([
      '[filter-app:main]',
      '│    egg:Beaker#beaker_session  app.ini:8',
      '└─ [composite:mounts]',
      '   │    egg:Paste#urlmap        app.ini:15',
      '   ├─ /     [app:home]',
      '   │       file:./home.js       app.ini:20',
      '   └─ /api  [app:api]',
      '           file:./api.js        app.ini:23',
    ])
  })

  test('calls a part without a section by its URI, once', () => {
    const bare = node({ shape: 'app', name: 'egg:My#app', use: 'egg:My#app', place: at(3) })
    expect(drawTrees([bare], plain)).toBe('egg:My#app  app.ini:3')
  })

  test('calls a pipeline a pipeline', () => {
    const filter = node({
      kind: 'filter',
      shape: 'filter',
      name: 'f',
      use: 'egg:F',
      place: at(4),
      role: 'filter',
    })
    const pipeline = node({
      shape: 'pipeline',
      name: 'main',
      place: at(2),
      children: [filter, { ...home, role: 'app' }],
    })
    expect(drawTrees([pipeline], plain).split('\n')).toEqual([
      '[pipeline:main]  pipeline        app.ini:2',
      '├─ [filter:f]    egg:F           app.ini:4',
      '└─ [app:home]    file:./home.js  app.ini:20',
    ])
  })

  test('shows settings under their part, with where each comes from', () => {
    const inherited = setting({ key: 'debug', value: 'true', from: 'default', place: at(1), scope: 'global' })
    const inner = { ...home, settings: [setting({ key: 'greeting', value: 'Hi', place: at(21) }), inherited] }
    const outer = {
      ...main,
      settings: [
        setting({ key: 'session.secret', value: '***', place: at(9), secret: true }),
        setting({ key: 'session.key', value: 'x', from: 'command line' }),
        inherited,
      ],
      children: [inner],
    }
    expect(drawTrees([outer], { ...plain, settings: true }).split('\n')).toEqual([
      '[filter-app:main]  egg:Beaker#beaker_session  app.ini:8',
      '│    session.secret = ***                     app.ini:9',
      '│    session.key = x                          (command line)',
      '│    debug = true                             app.ini:1 (default)',
      '└─ [app:home]      file:./home.js             app.ini:20',
      '        greeting = Hi                         app.ini:21',
    ])
  })

  test('does not show mounts twice', () => {
    const settings = [setting({ key: '/', value: 'home' }), setting({ key: 'not_found_app', value: 'oops' })]
    expect(drawTrees([{ ...mounts, settings }], { ...plain, settings: true })).toContain(
      '\n│    not_found_app = oops\n├─ /     [app:home]',
    )
  })

  test('has room for more mounts than a function takes arguments', () => {
    const children = Array.from({ length: 150_000 }, (_, index) => ({ ...home, role: `/${index}` }))
    const lines = drawTrees([{ ...mounts, children }], plain).split('\n')
    expect(lines).toHaveLength(150_001)
    expect(lines.at(-1)).toBe('└─ /149999  [app:home]  file:./home.js    app.ini:20')
  })

  test('lets no value move the cursor', () => {
    const odd = { ...home, settings: [setting({ key: 'a\u001b[2J', value: 'two\nlines' })] }
    expect(drawTrees([odd], { ...plain, settings: true }).split('\n')).toEqual([
      '[app:home]  file:./home.js        app.ini:20',
      '     "a\\u001b[2J" = "two\\nlines"',
    ])
  })
})
