// The same files through real Paste Deploy (Debian's python3-pastedeploy) and through us.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ConfigError } from '../../src/config/errors.js'
import { type IniText, parseIni } from '../../src/loader/ini.js'
import type { Entry } from '../../src/loader/model.js'
import {
  hideDirectory,
  type Load,
  normalize,
  runLoad,
  stubDirectory,
  VECTORS,
  type Vector,
} from '../support/paste-stub.js'
import { randomFiles, randomFrom, randomText } from '../support/random-ini.js'

const PYTHON = '/usr/bin/python3'
const installed = existsSync(PYTHON) && spawnSync(PYTHON, ['-c', 'import paste.deploy.loadwsgi']).status === 0
const must = process.env.CI === 'true'

/** Asks Python about all tasks in one process. */
function python<T>(tasks: readonly unknown[]): T[] {
  const script = join(import.meta.dirname, 'pastedeploy.py')
  const output = execFileSync(PYTHON, [script], {
    input: JSON.stringify(tasks),
    maxBuffer: 2 ** 28,
    env: { PYTHONIOENCODING: 'utf-8', LC_ALL: 'C.UTF-8' },
  })
  return JSON.parse(output.toString()) as T[]
}

interface Parsed {
  error?: string
  lines?: number[]
  defaults: [string, string][]
  sections: [string, [string, string][]][]
}

interface Outcome {
  error?: string
  result?: unknown
}

const SEED = Number(process.env.SESSD_TEST_SEED ?? 20260117)

describe.skipIf(!installed && !must)(
  'real Paste Deploy (python3-pastedeploy, skipped where it is not installed)',
  () => {
    test('still answers what the vectors say', async () => {
      const root = await stubDirectory()
      await cp(VECTORS, root, { recursive: true })
      const vectors = readdirSync(VECTORS).map((name) => readVector(name))
      const tasks = vectors.flatMap(({ name, loads }) =>
        loads.map((load) => ({ ...load, directory: join(root, name) })),
      )
      const outcomes = python<Outcome>(tasks)
      for (const [index, { directory, result, error }] of tasks.entries()) {
        const { result: got, error: failed } = outcomes[index]!
        const hidden = hideDirectory(got, directory)
        if (error !== undefined) expect(failed, directory).toBeDefined()
        else if (result?.kind !== 'python-object')
          expect(normalize(hidden), directory).toEqual(normalize(result))
      }
    })

    test('parses 6000 random texts as we do, to the line of each error', () => {
      const random = randomFrom(SEED)
      const texts = Array.from({ length: 6000 }, () => randomText(random))
      const parsed = python<Parsed>(texts.map((text) => ({ parse: text })))
      for (const [index, text] of texts.entries()) {
        const ours = parseIni(text, 'F')
        // An unclosed "[x = 1" is a key to Paste.
        if (ours.errors.some(({ reason }) => reason.includes('no "]"'))) continue
        expect(summarize(ours), JSON.stringify(text)).toEqual(parsed[index])
      }
    })

    test('loads 100 random sets of files as we do', async () => {
      const random = randomFrom(SEED)
      const root = await stubDirectory()
      const tasks: (Load & { directory: string })[] = []
      for (let number = 0; number < 100; number++) {
        const directory = join(root, String(number))
        await mkdir(join(directory, 'sub'), { recursive: true })
        for (const [name, text] of Object.entries(randomFiles(random)))
          await writeFile(join(directory, name), text)
        const global_conf = random() < 0.5 ? null : { g1: 'given' }
        const load = (call: Load['call'], name: string) =>
          tasks.push({ call, uri: 'config:input.ini', name, global_conf, directory })
        for (const name of ['p1', 'p2', 'p3', 'w1', 'c1', 'pipe', 'fa']) load('loadapp', name)
        for (const name of ['f1', 'f2']) load('loadfilter', name)
        load('loadserver', 'main')
        load('appconfig', 'p1')
      }
      const outcomes = python<Outcome>(tasks)
      for (const [index, task] of tasks.entries()) {
        const { result, error } = outcomes[index]!
        const ours = (await runLoad(task, task.directory)) as { error?: string }
        const context = `${task.call} ${task.name} ${task.directory}\n${ours.error ?? ''}${error ?? ''}`
        if (error !== undefined) expect(ours.error, context).toBeDefined()
        else {
          expect(ours, context).toEqual(normalize(hideDirectory(result, task.directory)))
        }
      }
      const loaded = outcomes.filter(({ error }) => error === undefined)
      expect(loaded.length).toBeGreaterThan(outcomes.length / 4)
    })
  },
)

function readVector(name: string): Vector {
  return JSON.parse(readFileSync(join(VECTORS, name, 'expect.json'), 'utf8')) as Vector
}

/** Our result in Python's words. It raises at once for what is there twice or before any section, else at the end. */
function summarize(ours: IniText): Partial<Parsed> {
  const { sections, defaults, errors } = ours
  const raw = (entries: ReadonlyMap<string, Entry>) =>
    [...entries.values()].map(({ key, value }) => [key, value])
  if (errors.length === 0) {
    return {
      defaults: raw(defaults) as Parsed['defaults'],
      sections: [...sections.values()].map(({ title, entries }) => [
        title,
        raw(entries),
      ]) as Parsed['sections'],
    }
  }
  // The second line without a key is a duplicate of the empty key to Python.
  const keyless = errors.filter(({ reason }) => reason.startsWith('expected a key'))
  const isAtOnce = (error: ConfigError) =>
    error.code === 'duplicate' ||
    error.reason.startsWith('expected a [section]') ||
    (keyless.includes(error) &&
      keyless.some(
        (one) =>
          one !== error &&
          one.place?.section === error.place?.section &&
          one.place!.line! < error.place!.line!,
      ))
  const first = errors.find(isAtOnce)
  if (first === undefined) return { error: 'ParsingError', lines: errors.map(({ place }) => place!.line!) }
  const isSection = first.code === 'duplicate' && first.place?.key === undefined
  const name = isSection
    ? 'DuplicateSectionError'
    : first.reason.startsWith('expected a [')
      ? 'MissingSectionHeaderError'
      : 'DuplicateOptionError'
  return { error: name, lines: [first.place!.line!] }
}
