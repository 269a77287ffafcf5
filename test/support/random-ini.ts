// Random INI files, the same for the same seed: texts that are hard to parse, and sets of files that are hard to load.

/** Numbers from 0 to below 1, by a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

type Random = () => number

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!
}

function several<T>(random: Random, least: number, most: number, make: () => T): T[] {
  return Array.from({ length: least + Math.floor(random() * (most - least + 1)) }, make)
}

const ODD = [
  '\t',
  '\u00a0',
  '\x1c',
  '\x1f',
  '\x85',
  '\u2028',
  '\u3000',
  '\ufeff',
  '\f',
  '\v',
  '\0',
  '"',
  "'",
  '\\',
]
const WORDS = [
  'a',
  'b',
  'x',
  'key',
  'true',
  'null',
  '__proto__',
  'constructor',
  '404',
  '10',
  'é',
  'k[]',
  'a.b',
  '',
]
const NEWLINES = ['\n', '\n', '\n', '\r\n', '\r']

/** A text of a few lines out of what a parser may trip over. */
export function randomText(random: Random): string {
  const word = () => pick(random, random() < 0.2 ? ODD : WORDS)
  const words = () => several(random, 0, 3, word).join(pick(random, ['', ' ', '.', ';', '#', ' # ', ']']))
  const line = () => {
    const indent = pick(random, ['', '', '', ' ', '  ', '\t', '    ', '\u00a0', '\x1c '])
    const kinds = [
      () =>
        `[${word()}${pick(random, [':', '', ' '])}${words()}]${pick(random, ['', '', ' ', ' # c', ']', ' = 5'])}`,
      () => `${words()}${pick(random, ['=', ' = ', ':', ' : ', ' =', ''])}${words()}`,
      () => `${word()} = ${words()}`,
      () => `${pick(random, ['#', ';', '//', 'rem '])}${words()}`,
      () => words(),
      () => '',
    ]
    return indent + pick(random, kinds)() + pick(random, ['', '', '', ' ', '\x1f', '\ufeff'])
  }
  const head = random() < 0.9 ? `[${word()}]\n` : ''
  return head + several(random, 1, 12, () => line() + pick(random, NEWLINES)).join('')
}

const DEFAULTS = ['d1', 'd2', 'd3']
const LOCALS = ['l1', 'l2', 'l3', 'l4', 'L1', '10', '2', '__proto__']
const APPS = ['p1', 'p2', 'p3', 'w1', 'c1', 'pipe', 'fa']
const FILTERS = ['f1', 'f2']

/** `input.ini` and a file that it may include. Without what we do otherwise on purpose (docs/paste-differences.md). */
export function randomFiles(random: Random): Record<string, string> {
  return {
    'input.ini': randomFile(random, 'sub/other.ini'),
    'sub/other.ini': randomFile(random, '../input.ini'),
  }
}

function randomFile(random: Random, other: string): string {
  const chance = (part: number, ...lines: string[]) => (random() < part ? lines : [])
  const value = (names: readonly string[]) => {
    const name = pick(random, names)
    return pick(random, [
      'v',
      'some text',
      `%(${name})s`,
      `<%(${name})s>`,
      '%(here)s/x',
      '%(__file__)s',
      'a\n  b\n\n  c',
    ])
  }
  const defaults = DEFAULTS.flatMap((key, index) =>
    chance(0.6, `${key} = ${value(index === 0 ? ['here'] : DEFAULTS.slice(0, index))}`),
  )
  const settings = () => [
    ...LOCALS.flatMap((key) =>
      chance(0.25, `${key} = ${pick(random, [value([...DEFAULTS, ...LOCALS, 'g1']), '100%%'])}`),
    ),
    ...chance(0.3, `set ${pick(random, [...DEFAULTS, 's1'])} = ${value(DEFAULTS)}`),
    ...chance(0.2, `get l9 = ${pick(random, [...DEFAULTS, 's1', 'here'])}`),
    ...chance(0.03, 'bad = 5%'),
  ]
  const shuffled = (lines: string[]) => lines.sort(() => random() - 0.5)
  const section = (title: string, ...lines: string[]) => [`[${title}]`, ...shuffled(lines), '']
  const app = () => pick(random, [...APPS, ...APPS, 'egg:Stub#echo', `config:${other}#p1`, 'nothing'])
  const filter = () =>
    pick(random, [...FILTERS, ...FILTERS, 'egg:Stub#fa', 'egg:Stub#f2', `config:${other}#f1`])
  const plainUse = () =>
    pick(random, [
      'use = egg:Stub#echo',
      'use = egg:stub',
      'use = call:corpus_stubs:make_app',
      'paste.app_factory = corpus_stubs:make_app',
      `use = ${pick(random, ['p1', 'p2', 'p3'])}`,
      `use = config:${other}#${pick(random, ['p1', 'p2', 'p3'])}`,
    ])
  const filterUse = () =>
    pick(random, [
      'use = egg:Stub#f1',
      'use = egg:Stub#fa',
      'use = f1',
      'paste.filter_factory = corpus_stubs:make_filter',
    ])
  return [
    ...chance(0.8, ...section('DEFAULT', ...defaults)),
    ...['p1', 'p2', 'p3'].flatMap((name) =>
      section(`${pick(random, ['app', 'application'])}:${name}`, plainUse(), ...settings()),
    ),
    ...section('app:w1', 'use = egg:Stub#echo', `filter-with = ${filter()}`, ...settings()),
    ...section(
      `${pick(random, ['composite', 'composit', 'app'])}:c1`,
      pick(random, ['use = egg:Stub#comp', 'paste.composite_factory = corpus_stubs:make_comp']),
      ...several(random, 0, 3, () => app()).map((name, index) => `k${index} = ${name}`),
      ...chance(0.3, `set d1 = ${value(['here'])}`),
    ),
    ...section(
      'pipeline:pipe',
      `pipeline = ${[...several(random, 0, 3, filter), app()].join(pick(random, [' ', '\n  ']))}`,
      ...chance(0.2, 'set s1 = of pipeline'),
      ...chance(0.05, 'l1 = extra'),
    ),
    ...section('filter-app:fa', filterUse(), `next = ${app()}`, ...settings()),
    ...section('filter:f1', pick(random, ['use = egg:Stub#f1', 'use = egg:Stub#fa']), ...settings()),
    ...section('filter:f2', filterUse(), ...chance(0.3, `filter-with = ${filter()}`), ...settings()),
    ...section('server:main', 'use = egg:Stub#run', ...settings()),
  ].join('\n')
}
