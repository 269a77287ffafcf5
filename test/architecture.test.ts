// Who may import whom, and how long a file may be. A new folder in src needs a row in ARROWS.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

/** Longest file of src, in lines. What is longer is two parts. */
const LONGEST = 330

/**
 * Layer by layer: the layers that it may import (its own is understood) and the packages. A layer is the longest prefix
 * of a path that has a row. `node` stands for Node's own modules without those that speak HTTP, `node:http` for these.
 */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'src/protocol.ts': ['node', 'node:http'],
  'src/config/': ['src/protocol.ts', 'node'],
  'src/http/': ['src/protocol.ts', 'node', 'node:http', 'cookie'],
  'src/session/': ['src/protocol.ts', 'node'],
  'src/session/index.ts': ['src/session/', 'src/session/stores/', 'src/protocol.ts', 'src/config/'],
  'src/session/stores/': [
    'src/session/store.ts',
    'src/session/clock.ts',
    'src/session/deadlines.ts',
    'src/session/id.ts',
    'src/session/maybe-promise.ts',
    'src/session/recent-map.ts',
    'src/session/turns.ts',
    'lazy peers',
    'src/config/',
    'src/protocol.ts',
    'node',
  ],
  'src/filters/': [
    'src/session/',
    'src/session/stores/',
    'src/http/',
    'src/config/',
    'src/protocol.ts',
    'node',
    'node:http',
  ],
  'src/frameworks/': ['src/filters/', 'src/session/', 'src/protocol.ts', 'node:http'],
  'src/apps/': [
    'src/http/',
    'src/config/',
    'src/protocol.ts',
    'node',
    'node:http',
    'http-proxy',
    'serve-static',
  ],
  'src/servers/': ['src/http/', 'src/config/', 'src/protocol.ts', 'node', 'node:http'],
  'src/loader/': ['src/config/', 'src/protocol.ts', 'node', 'ini'],
  'src/builtins.ts': ['src/loader/', 'lazy src/filters/', 'lazy src/apps/', 'lazy src/servers/'],
  'src/loader.ts': [
    'src/loader/',
    'src/builtins.ts',
    'src/apps/adapt.ts',
    'src/http/guard.ts',
    'src/config/',
    'src/protocol.ts',
  ],
  'src/cli/': [
    'src/loader.ts',
    'src/loader/',
    'src/builtins.ts',
    'src/config/',
    'src/protocol.ts',
    'node',
    'node:http',
    'commander',
  ],
  'src/index.ts': [
    'src/loader.ts',
    'src/loader/',
    'src/filters/',
    'src/apps/',
    'src/servers/',
    'src/session/',
    'src/session/index.ts',
    'src/session/stores/',
    'src/http/',
    'src/config/',
    'src/protocol.ts',
  ],
}

const HTTP = new Set(['node:http', 'node:https', 'node:http2'])

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest
const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest

/** Packages that users install if they want what needs them. */
const peers = new Set(Object.keys(peerDependencies))

interface Arrow {
  /** As `src/loader/uri.ts`. */
  readonly from: string
  /** A file of src, or what is written for a package. */
  readonly to: string
  /** Imported when it is needed; of a package, also for its types alone. */
  readonly lazy: boolean
}

/** The sentence about an arrow that may not be; undefined when it may. */
function objection({ from, to, lazy }: Arrow): string | undefined {
  const row = rowOf(from, Object.keys(ARROWS))
  if (row === undefined) return `${from} is in no layer: give it a row in test/architecture.test.ts`
  const allowed = ARROWS[row]!
  if (to.startsWith('src/')) {
    const target = rowOf(to, [...Object.keys(ARROWS), ...allowed.map((name) => name.replace('lazy ', ''))])
    if (target === row || allowed.some((name) => name === target || (lazy && name === `lazy ${target}`)))
      return
  } else {
    const name = HTTP.has(to) ? 'node:http' : to.startsWith('node:') ? 'node' : packageOf(to)
    if (allowed.includes(name) || (lazy && allowed.includes('lazy peers') && peers.has(name))) return
  }
  return `${from} imports ${to}: ${row} may import ${allowed.join(', ')}`
}

function rowOf(path: string, rows: readonly string[]): string | undefined {
  return rows.filter((row) => path.startsWith(row)).sort((a, b) => b.length - a.length)[0]
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => `src/${path.replaceAll('\\', '/')}`)
  .sort()

function arrowsOf(path: string): Arrow[] {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest)
  const arrows: Arrow[] = []
  const visit = (node: ts.Node): void => {
    const [specifier, lazy] = importOf(node)
    if (specifier !== undefined) {
      const to = specifier.startsWith('.')
        ? relative(ROOT, join(ROOT, dirname(path), specifier.replace(/\.js$/, '.ts'))).replaceAll('\\', '/')
        : specifier
      arrows.push({ from: path, to, lazy })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return arrows
}

function importOf(node: ts.Node): [specifier: string | undefined, lazy: boolean] {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
    return [textOf(node.moduleSpecifier), false]
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return [textOf(node.argument.literal), false]
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return [textOf(node.arguments[0]), true]
  }
  return [undefined, false]
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteral(node) ? node.text : undefined
}

describe('the layers of src', () => {
  const arrows = sources.flatMap(arrowsOf)

  test('import only what CONTRIBUTING.md allows', () => {
    expect(arrows.map(objection).filter((text) => text !== undefined)).toEqual([])
  })

  test('import only packages that package.json names for users', () => {
    const declared = new Set([...Object.keys(dependencies), ...peers])
    const missing = arrows
      .filter(({ to }) => !to.startsWith('src/') && !to.startsWith('node:') && !declared.has(packageOf(to)))
      .map(({ from, to }) => `${from} imports ${to}, which is no dependency`)
    expect(missing).toEqual([])
  })

  test('ask nobody to install what only some need', () => {
    expect([...peers].filter((name) => peerDependenciesMeta[name]?.optional !== true)).toEqual([])
  })

  test('have no file that is two', () => {
    const long = sources
      .map((path) => ({ path, lines: readFileSync(join(ROOT, path), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > LONGEST)
      .map(({ path, lines }) => `${path} has ${lines} lines, more than ${LONGEST}: split it`)
    expect(long).toEqual([])
  })
})

describe('the check itself', () => {
  test.each<[string, Arrow, string | undefined]>([
    ['lets a part read its options', arrow('src/apps/urlmap.ts', 'src/config/options.ts'), undefined],
    [
      'lets builtins import a part lazily',
      { ...arrow('src/builtins.ts', 'src/apps/urlmap.ts'), lazy: true },
      undefined,
    ],
    [
      'refuses a part that builtins import at once',
      arrow('src/builtins.ts', 'src/apps/urlmap.ts'),
      'src/builtins.ts imports src/apps/urlmap.ts: src/builtins.ts may import src/loader/, lazy src/filters/, ' +
        'lazy src/apps/, lazy src/servers/',
    ],
    [
      'refuses a loader that knows a part',
      { ...arrow('src/loader/resolve.ts', 'src/apps/urlmap.ts'), lazy: true },
      'src/loader/resolve.ts imports src/apps/urlmap.ts: src/loader/ may import src/config/, src/protocol.ts, node, ini',
    ],
    [
      'refuses a store that speaks HTTP',
      arrow('src/session/stores/file.ts', 'node:http'),
      'src/session/stores/file.ts imports node:http: src/session/stores/ may import src/session/store.ts, ' +
        'src/session/clock.ts, src/session/deadlines.ts, src/session/id.ts, src/session/maybe-promise.ts, ' +
        'src/session/recent-map.ts, src/session/turns.ts, lazy peers, ' +
        'src/config/, src/protocol.ts, node',
    ],
    [
      'refuses a store that knows the session',
      arrow('src/session/stores/file.ts', 'src/session/session.ts'),
      'src/session/stores/file.ts imports src/session/session.ts: src/session/stores/ may import ' +
        'src/session/store.ts, src/session/clock.ts, src/session/deadlines.ts, src/session/id.ts, src/session/maybe-promise.ts, ' +
        'src/session/recent-map.ts, src/session/turns.ts, lazy peers, ' +
        'src/config/, src/protocol.ts, node',
    ],
    [
      'refuses a part that knows the command line',
      arrow('src/apps/urlmap.ts', 'src/cli/main.ts'),
      'src/apps/urlmap.ts imports src/cli/main.ts: src/apps/ may import src/http/, src/config/, src/protocol.ts, ' +
        'node, node:http, http-proxy, serve-static',
    ],
    [
      'asks for a row for a new folder',
      arrow('src/misc/things.ts', 'node:fs'),
      'src/misc/things.ts is in no layer: give it a row in test/architecture.test.ts',
    ],
  ])('%s', (_title, given, expected) => {
    expect(objection(given)).toBe(expected)
  })
})

function arrow(from: string, to: string): Arrow {
  return { from, to, lazy: false }
}
