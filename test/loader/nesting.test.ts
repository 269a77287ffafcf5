// How many parts a file may put into each other.

import { describe, expect, test } from 'vitest'
import { createLoader } from '../../src/loader/index.js'
import type { App, AppFactory, CompositeFactory, FilterFactory, Loader } from '../../src/protocol.js'
import { fileDirectory } from '../support/paste-stub.js'

const MOST = 1000

const app: AppFactory = () => () => 1
const filter: FilterFactory = () => (next) => (req, res) => Number(next(req, res)) + 1
/** Hands each request on to the first of its mounts. */
const composite: CompositeFactory = async (loader: Loader, globalConf, localConf) => {
  const apps: App[] = []
  for (const [, name] of localConf) apps.push(await loader.getApp(name, globalConf))
  return (req, res) => Number(apps[0]!(req, res)) + 1
}

const builtins = {
  t: {
    apps: { app: async () => app },
    filters: { filter: async () => filter },
    composites: { composite: async () => composite },
  },
}

async function open(text: string) {
  const directory = await fileDirectory({ 'x.ini': text })
  const loader = createLoader({ builtins, env: {} })
  const options = { relativeTo: directory }
  const plain = (error: Error) => error.message.replaceAll(`${directory}/`, '')
  return {
    plain,
    load: (collect = false) => loader.load('app', 'config:x.ini', { ...options, collect }),
    message: () => loader.load('app', 'config:x.ini', options).then(() => 'loaded', plain),
    appConfig: () => loader.appConfig('config:x.ini', options),
  }
}

/** `count` sections, `main` first, of which each leads to the next one and the last to `end`. */
function sections(count: number, write: (name: string, next: string) => string): string {
  const nameOf = (index: number) => (index === 0 ? 'main' : index === count ? 'end' : `s${index}`)
  return Array.from({ length: count }, (_, index) => write(nameOf(index), nameOf(index + 1))).join('')
}

const ENDS = '[app:end]\nuse = egg:t#app\n[filter:f]\nuse = egg:t#filter\n'

const mounts = (name: string, next: string) => `[composite:${name}]\nuse = egg:t#composite\n/ = ${next}\n`

describe('of parts in each other, a file may have a thousand, and for one more is told where they begin:', () => {
  test.each([
    [
      'mounts',
      (count: number) => sections(count - 1, mounts) + ENDS,
      '2: [composite:main]: ',
      '[composite:main] -> [composite:s1] (x.ini:3) -> [composite:s2] (x.ini:6) -> [composite:s3] (x.ini:9) -> ...',
    ],
    [
      'filters before apps',
      (count: number) =>
        sections(count - 1, (name, next) => `[filter-app:${name}]\nuse = egg:t#filter\nnext = ${next}\n`) +
        ENDS,
      '2: [filter-app:main]: ',
      '[filter-app:main] -> [filter-app:s1] (x.ini:3) -> [filter-app:s2] (x.ini:6) -> [filter-app:s3] (x.ini:9) -> ...',
    ],
    [
      'pipelines',
      (count: number) =>
        sections(count - 1, (name, next) => `[pipeline:${name}]\npipeline = ${next}\n`) + ENDS,
      '2: [pipeline:main]: ',
      '[pipeline:main] -> [pipeline:s1] (x.ini:2) -> [pipeline:s2] (x.ini:4) -> [pipeline:s3] (x.ini:6) -> ...',
    ],
    [
      'filters around filters',
      (count: number) =>
        `[app:main]\nuse = egg:t#app\nfilter-with = s0\n` +
        sections(count - 1, (name, next) => {
          const title = name === 'main' ? 'filter:s0' : `filter:${name}`
          return `[${title}]\nuse = egg:t#filter\n${next === 'end' ? '' : `filter-with = ${next}\n`}`
        }),
      '2: [app:main]: ',
      '[app:main] -> [filter:s0] (x.ini:3) -> [filter:s1] (x.ini:6) -> [filter:s2] (x.ini:9) -> ...',
    ],
    [
      'filters around apps that use each other',
      (count: number) =>
        sections(count - 1, (name, next) => `[app:${name}]\nuse = ${next}\nfilter-with = f\n`) + ENDS,
      '2: [app:main]: ',
      '[app:main] -> [app:s1] (x.ini:2) -> [app:s2] (x.ini:5) -> [app:s3] (x.ini:8) -> ...',
    ],
    [
      'filters of one pipeline',
      (count: number) => `[pipeline:main]\npipeline = ${'f '.repeat(count - 2)}end\n${ENDS}`,
      '2: [pipeline:main]: ',
      '[pipeline:main] -> [filter:f] (x.ini:2)',
    ],
  ])('%s', async (_title, text, place, way) => {
    expect((await (await open(text(MOST))).load()).value).toBeTypeOf('function')
    const over = await open(text(MOST + 1))
    expect(await over.message()).toBe(`x.ini:${place}is 1001 parts deep, expected at most 1000: ${way}`)
    // Deeper than JavaScript's stack.
    expect(await (await open(text(10 * MOST))).message()).toMatch(/ parts deep, expected at most 1000: /)
  })
})

test('an app that several lead to is as deep as the longest way to it', async () => {
  const last = MOST
  const toAll = Array.from({ length: last }, (_, index) => `/${index} = s${last - index}\n`).join('')
  const inEachOther = Array.from({ length: last }, (_, index) =>
    mounts(`s${index + 1}`, index + 1 === last ? 'end' : `s${index + 2}`),
  ).join('')
  const { message } = await open(`[composite:main]\nuse = egg:t#composite\n${toAll}${inEachOther}${ENDS}`)
  expect(await message()).toMatch(
    /^x\.ini:1004: \[composite:s1\]: is 1001 parts deep, expected at most 1000: \[composite:s1\] -> /,
  )
})

test('a thousand parts in each other take a request', async () => {
  const { value } = await (await open(sections(MOST - 1, mounts) + ENDS)).load()
  expect(value!({} as never, {} as never)).toBe(MOST)
})

test('sections that only use each other are one part, however many', async () => {
  const { message } = await open(sections(10 * MOST, (name, next) => `[app:${name}]\nuse = ${next}\n`) + ENDS)
  expect(await message()).toBe('loaded')
})

test('of a file that is too deep, what is above is made all the same when mistakes are gathered', async () => {
  const { load, plain } = await open(sections(MOST + 4, mounts) + ENDS)
  const { errors, node, value } = await load(true)
  expect(errors.map(({ code }) => code)).toEqual(['nesting'])
  expect(plain(errors[0]!)).toMatch(/^x\.ini:14: \[composite:s4\]: is 1001 parts deep, /)
  expect(value).toBeUndefined()
  expect(node).toMatchObject({ name: 'main', children: [{ name: 's1' }] })
})

test('the settings of a file that is too deep can be asked for', async () => {
  const pipelines = (name: string, next: string) =>
    `[pipeline:${name}]\npipeline = ${next}\nset depth = ${name}\n`
  const { appConfig } = await open(sections(10 * MOST, pipelines) + ENDS)
  expect((await appConfig()).globalConf.depth).toBe('main')
})
