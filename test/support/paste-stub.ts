// The eggs that the vectors name, as packages whose factories say how they were called.

import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import { adapt } from '../../src/apps/adapt.js'
import { ConfigError } from '../../src/config/errors.js'
import type { Builtins, ConfigLoader } from '../../src/loader/index.js'
import { createLoader, type LoaderOptions } from '../../src/loader/index.js'

const STUBS = join(import.meta.dirname, '../fixtures/paste-stubs')
export const VECTORS = join(import.meta.dirname, '../fixtures/paste-deploy')

/** What a stub made of its arguments. */
export type Tree = Record<string, unknown>

export interface Load {
  call: 'loadapp' | 'loadfilter' | 'loadserver' | 'appconfig'
  uri: string
  name: string | null
  global_conf: Record<string, string> | null
  result?: Tree
  error?: { type: string; message: string }
}

/** One case, as real Paste Deploy answered it. */
export interface Vector {
  name: string
  what: string
  better?: string
  loads: Load[]
}

/** Our outcome, by case and number of the load: a tree that differs on purpose, or the sentence of an error. */
export const OURS = JSON.parse(readFileSync(join(VECTORS, '../paste-deploy-ours.json'), 'utf8')) as Record<
  string,
  Record<number, unknown>
>

/** The cases in which we do better: those that are marked so, and those that follow from them. */
export const DIFFERENT: ReadonlySet<string> = new Set([
  ...readdirSync(VECTORS).filter(
    (name) =>
      (JSON.parse(readFileSync(join(VECTORS, name, 'expect.json'), 'utf8')) as Vector).better !== undefined,
  ),
  'filter-section-with-next',
  'inc-composite-loader-missing',
  'interp-self-default',
  'urlmap-default-pollution',
])

/** A directory where the stubs are installed as packages; gone after the test. */
export async function stubDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'sessd-loader-')))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await mkdir(join(directory, 'node_modules'))
  for (const name of await readdir(STUBS)) {
    await symlink(join(STUBS, name), join(directory, 'node_modules', name))
  }
  return directory
}

/** A directory with the stubs and these files. */
export async function fileDirectory(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await stubDirectory()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return directory
}

/** A copy of one vector beside the stubs. */
export async function vectorDirectory(name: string): Promise<string> {
  const directory = join(await stubDirectory(), name)
  await cp(join(VECTORS, name), directory, { recursive: true })
  return directory
}

/** A loader whose own eggs are stubs too. */
export async function stubLoader(options: LoaderOptions = {}): Promise<ConfigLoader> {
  const url = pathToFileURL(join(STUBS, 'lib/builtins.js')).href
  const { builtins } = (await import(url)) as { builtins: Builtins }
  return createLoader({ builtins, adapt, ...options })
}

/** An app that stands at the end of a filter or server under test. */
export const marker = Object.assign(() => {}, { tree: { kind: 'marker' } })

/** The tree that a stub left on what it made. */
export function treeOf(made: unknown): Tree | undefined {
  return (made as { tree?: Tree } | undefined)?.tree
}

/** The same with `${DIR}` for the directory, as the vectors write it. */
export function hideDirectory(value: unknown, directory: string): unknown {
  return JSON.parse(JSON.stringify(value ?? null).replaceAll(directory, `\${DIR}`)) as unknown
}

/** The outcome of a load with `${DIR}` for the directory: a tree, or the whole message of the error. */
export async function runLoad({ call, uri, name, global_conf }: Load, directory: string): Promise<unknown> {
  const loader = await stubLoader()
  const options = { name: name ?? undefined, globalConf: global_conf ?? undefined, relativeTo: directory }
  const hide = (value: unknown) => hideDirectory(value, directory)
  try {
    if (call === 'appconfig') {
      const conf = await loader.appConfig(uri, options)
      const lists = { merged: [...conf], global: [...conf.globalConf], local: [...conf.localConf] }
      return normalize(hide({ kind: 'appconfig', ...lists }))
    }
    if (call === 'loadapp') return normalize(hide(treeOf((await loader.load('app', uri, options)).value)))
    if (call === 'loadfilter') {
      return normalize(hide(treeOf((await loader.load('filter', uri, options)).value?.(marker))))
    }
    return normalize(hide(treeOf(await (await loader.load('server', uri, options)).value?.(marker))))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { error: hide(error.message) }
  } finally {
    await loader.close()
  }
}

/** global_conf is a set, and so are the merged settings of an appconfig. */
export function normalize(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(normalize)
  if (typeof tree !== 'object' || tree === null) return tree
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => {
      const isSet = (key === 'global' || key === 'merged') && Array.isArray(value)
      return [key, isSet ? [...value].sort() : normalize(value)]
    }),
  )
}
