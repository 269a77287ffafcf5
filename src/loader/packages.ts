// Which file a package name means, seen from a directory: Node's own algorithm for `import` (docs: esm, "Resolution
// algorithm"). `import.meta.resolve` can't be asked for another directory, and `require.resolve` refuses packages that
// are made for `import` only.

import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'

/** An installed package. */
export interface Package {
  readonly name: string
  readonly directory: string
  readonly manifest: Manifest
}

interface Manifest {
  readonly name?: unknown
  readonly main?: unknown
  readonly exports?: unknown
}

const CONDITIONS = new Set(['node', 'import', 'module-sync', 'default'])

/** Takes `@scope/pkg/sub/path` apart. undefined when it can't be a package. */
export function splitSpecifier(specifier: string): { name: string; subpath: string } | undefined {
  const match = /^((?:@[^/\\%]+\/)?[^./\\%@][^/\\%]*)(\/.+)?$/.exec(specifier)
  return match === null ? undefined : { name: match[1]!, subpath: `.${match[2] ?? ''}` }
}

/**
 * The package as seen from `directory`: the one that the directory belongs to, if it has that name and `exports`, else
 * the nearest in a `node_modules`. undefined: not installed.
 */
export function findPackage(name: string, directory: string): Package | undefined {
  for (const parent of upwards(directory)) {
    const manifest = readManifest(parent)
    if (manifest === undefined) continue
    if (manifest.name === name && manifest.exports !== undefined) return { name, directory: parent, manifest }
    break
  }
  for (const parent of upwards(directory)) {
    if (parent.endsWith(`${sep}node_modules`)) continue
    const found = join(parent, 'node_modules', name)
    const manifest = readManifest(found)
    if (manifest !== undefined) return { name, directory: realpathSync(found), manifest }
  }
  return undefined
}

/** The file behind a subpath (`.`, `./sessd`). undefined: the package has none, or does not export it. */
export function resolveExport({ directory, manifest }: Package, subpath: string): string | undefined {
  if (manifest.exports === undefined || manifest.exports === null) {
    if (subpath !== '.')
      return firstFile(directory, [subpath, `${subpath}.js`, `${subpath}.mjs`, `${subpath}.cjs`])
    const main = typeof manifest.main === 'string' ? manifest.main : 'index.js'
    return firstFile(directory, [main, `${main}.js`, join(main, 'index.js'), 'index.js'])
  }
  const table = exportTable(manifest.exports)
  const exact = subpath.includes('*') ? undefined : table.get(subpath)
  if (exact !== undefined) return targetFile(directory, exact, '')
  for (const [key, target] of [...table].filter(([key]) => key.includes('*')).sort(longestBaseFirst)) {
    const [base, trailer] = key.split('*', 2) as [string, string]
    const long = subpath.length >= base.length + trailer.length && subpath !== base
    if (!long || !subpath.startsWith(base) || !subpath.endsWith(trailer)) continue
    return targetFile(directory, target, subpath.slice(base.length, subpath.length - trailer.length))
  }
  return undefined
}

function* upwards(directory: string): Generator<string> {
  let current = resolve(directory)
  for (;;) {
    yield current
    const parent = dirname(current)
    if (parent === current) return
    current = parent
  }
}

function readManifest(directory: string): Manifest | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
    return typeof manifest === 'object' && manifest !== null ? manifest : undefined
  } catch {
    return undefined
  }
}

/** `exports` in its long form: subpath to target. A string, a list or conditions alone are the target of `.`. */
function exportTable(exports: unknown): Map<string, unknown> {
  const isTable =
    typeof exports === 'object' &&
    exports !== null &&
    !Array.isArray(exports) &&
    Object.keys(exports).some((key) => key.startsWith('.'))
  return isTable ? new Map(Object.entries(exports)) : new Map([['.', exports]])
}

function longestBaseFirst([a]: [string, unknown], [b]: [string, unknown]): number {
  return b.indexOf('*') - a.indexOf('*') || b.length - a.length
}

/** Follows lists and conditions to the first path. null in `exports` means "not exported". */
function targetFile(directory: string, target: unknown, star: string): string | undefined {
  const path = pickTarget(target)
  if (path === undefined || !path.startsWith('./')) return undefined
  const file = resolve(
    directory,
    path.replaceAll('*', () => star),
  )
  const inside = file.startsWith(directory + sep) && !file.slice(directory.length).includes('node_modules')
  return inside && isFile(file) ? file : undefined
}

function pickTarget(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) return undefined
  const branches = Array.isArray(target)
    ? (target as unknown[])
    : Object.entries(target).flatMap(([key, value]) => (CONDITIONS.has(key) ? [value as unknown] : []))
  for (const branch of branches) {
    const path = pickTarget(branch)
    if (path !== undefined) return path
  }
  return undefined
}

function firstFile(directory: string, paths: readonly string[]): string | undefined {
  return paths.map((path) => resolve(directory, path)).find(isFile)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
