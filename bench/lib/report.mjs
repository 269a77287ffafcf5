// The Markdown that the session bench prints. Only ratios of one run are to be compared; the rest is there to be looked at.

import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release } from 'node:os'
import { TOGETHER } from './check.mjs'
import { quantile } from './numbers.mjs'
import { pinning } from './processes.mjs'

const TITLES = { plain: 'untouched', read: 'read', count: 'save', new: 'new' }

/** What a result was measured on. */
export function describeMachine() {
  return {
    began: new Date().toISOString(),
    node: process.version,
    kernel: release(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    pinning,
    load: loadavg()[0],
    commit: commit(),
  }
}

function commit() {
  try {
    const options = {
      cwd: new URL('.', import.meta.url),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim()
  } catch {
    return null
  }
}

/** The whole report. */
export function markdown(result) {
  const pages = Object.keys(TITLES).filter((page) => result.rows.some(({ workloads }) => page in workloads))
  return [
    aboutMachine(result),
    summaryTable(result, pages),
    ...pages.map((page) => `### ${TITLES[page]}\n\n${detailTable(result, page)}`),
    `### What the checks saw\n\n${factTable(result)}`,
    ...failures(result),
  ].join('\n\n')
}

/** One line about the machine and, where there were some, the windows. */
export function aboutMachine({ machine, windows, milliseconds, connections, sameRequests }) {
  const about =
    `Node ${machine.node}, ${machine.cpu}, ${machine.cores} cores, ${machine.pinning}, load ${machine.load.toFixed(1)} at ` +
    `the start, commit ${machine.commit ?? 'unknown'}, ${machine.began.slice(0, 10)}.`
  if (milliseconds === undefined) return about
  const cookies = sameRequests ? ', cookies to the bare server too' : ''
  return `${about} ${windows} windows of ${milliseconds / 1000} s, ${connections} connections${cookies}.`
}

/** A table in Markdown; numbers to the right. */
export function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}

function summaryTable({ rows }, pages) {
  const text =
    'CPU of the server per request, over bare `node:http` in the same run: median [lowest to highest].'
  const budget = rows.some((row) => row.product === 'sessd')
    ? ' **Over** stands where our budget is exceeded.'
    : ''
  const body = rows.map((row) => [row.name, ...pages.map((page) => ratioCell(row, page))])
  return `${text}${budget}\n\n${table(['server', ...pages.map((page) => TITLES[page])], body)}`
}

function ratioCell({ workloads, budget }, page) {
  const { ratio } = workloads[page]
  return ratioText(ratio) + verdict(ratio.median, budget[page])
}

/** How a number stands to our budget, if there is one. */
export function verdict(value, limit) {
  if (limit === undefined) return ''
  return value <= limit ? ` (<= ${limit})` : ` **over ${limit}**`
}

/** A ratio with its spread. */
export function ratioText({ median, low, high }) {
  return `${number(median)} [${number(low)} to ${number(high)}]`
}

function detailTable({ rows }, page) {
  const heads = ['server', 'over bare', 'us CPU', 'requests/s', 'p50 us', 'p99 us', 'RSS MB at the end']
  const bases = rows.map(({ workloads }) => workloads[page].base)
  const median = (name) =>
    quantile(
      bases.map((base) => base[name]),
      0.5,
    )
  const numbers = (from) => [
    from('cpu').toFixed(1),
    ...['perSecond', 'p50', 'p99'].map((name) => from(name).toFixed(0)),
  ]
  return table(heads, [
    ['bare', '1', ...numbers(median), ''],
    ...rows.map(({ name, workloads, memory }) => {
      const measured = workloads[page]
      const rest = numbers((what) => measured[what])
      return [name, number(measured.ratio.median), ...rest, (memory / 1e6).toFixed(0)]
    }),
  ])
}

/** Of a cookie's name and value together, in bytes (RFC 6265bis, 5.6). */
const BROWSERS_TAKE = 4096

function factTable({ rows }) {
  const heads = [
    'server',
    `counted of ${TOGETHER} at once`,
    'with update()',
    'cookie when untouched',
    'longest cookie',
    'altered cookie',
  ]
  return table(
    heads,
    rows.map(({ name, facts }) => [
      name,
      facts.countedTogether,
      facts.addedTogether ?? '',
      facts.setsCookieUntouched ? 'sent' : 'none',
      facts.longestCookie > BROWSERS_TAKE
        ? `${facts.longestCookie}: no browser keeps it`
        : facts.longestCookie,
      facts.forgedStatus === 200 ? 'a new session' : `status ${facts.forgedStatus}`,
    ]),
  )
}

function failures({ failed }) {
  if (failed.length === 0) return []
  return [`### Left out\n\n${failed.map(({ name, reason }) => `- ${name}: ${reason}`).join('\n')}`]
}

function number(ratio) {
  return ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(1)
}
