// egg:sessd#metrics: counters of requests and sessions in Prometheus' text format. Belongs outermost, or it counts less
// than all. Labels are methods and classes of status: never a path, an address or an id, which anybody could multiply.

import diagnostics_channel from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Converter } from '../config/converters.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { onceClosed } from '../http/once-closed.js'
import type { App, Conf, Filter } from '../protocol.js'
import type { SessionEvent, StoreOperation } from '../session/events.js'

const metricsPath: Converter<string> = {
  expected: 'a path that begins with /',
  parse: (text) => (/^\/[^?#\s]*$/.test(text.trim()) ? text.trim() : undefined),
  accepts: (value): value is string => typeof value === 'string' && metricsPath.parse(value) !== undefined,
}

export const options = {
  path: option({
    type: metricsPath,
    default: '/metrics',
    doc: 'Where the numbers are. Anybody who gets there can read them: keep it from the outside.',
  }),
} as const

/** egg:sessd#metrics. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return make(readOptions(options, localConf))
}

/** The same for use in code: `metrics({ path: '/metrics' })(app)`. Throws OptionError. */
export function metrics(given: Partial<Values<typeof options>> = {}): Filter {
  return make(checkOptions(options, given))
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const EVENTS = new Set<string>([
  'conflict',
  'merged',
  'retried',
  'swept',
  'gone',
  'expired',
  'corrupt',
  'foreign',
  'background-failed',
  'store-away',
  'store-back',
  'shard-away',
  'shard-back',
])

const OPERATIONS = new Set<string>(['load', 'save', 'delete', 'touch', 'ping', 'setAside'])
const OUTCOMES = new Set<string>(['done', 'failed', 'late', 'refused'])

/** Upper bounds of the histogram, seconds: Prometheus' own defaults. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

class Numbers {
  readonly requests = new Map<string, number>()
  readonly events = new Map<string, number>()
  /** How many operations of stores there were, by operation and outcome; how many, and how long, by operation. */
  readonly outcomes = new Map<string, number>()
  readonly operations = new Map<string, number>()
  readonly operationSeconds = new Map<string, number>()
  readonly buckets = BOUNDS.map(() => 0)
  seconds = 0
  finished = 0
  running = 0
  upgrades = 0

  count(method: string | undefined, status: string, seconds: number): void {
    const known = METHODS.has(method!) ? method : 'other'
    add(this.requests, `method="${known}",status="${status}"`)
    this.seconds += seconds
    this.finished++
    const at = BOUNDS.findIndex((bound) => seconds <= bound)
    if (at !== -1) this.buckets[at]!++
  }

  countOperation({ operation, outcome, milliseconds }: StoreOperation): void {
    const name = `operation="${OPERATIONS.has(operation) ? operation : 'other'}"`
    add(this.outcomes, `${name},outcome="${OUTCOMES.has(outcome) ? outcome : 'other'}"`)
    add(this.operations, name)
    add(this.operationSeconds, name, milliseconds / 1000)
  }

  text(): string {
    let below = 0
    const buckets = BOUNDS.map((bound, at) => {
      below += this.buckets[at]!
      return `sessd_request_duration_seconds_bucket{le="${bound}"} ${below}`
    })
    const lines = [
      '# HELP sessd_requests_total Requests that are over, by method and class of status; aborted: the client went away.',
      '# TYPE sessd_requests_total counter',
      ...[...this.requests].map(([labels, value]) => `sessd_requests_total{${labels}} ${value}`),
      '# HELP sessd_requests_running Requests that are being handled.',
      '# TYPE sessd_requests_running gauge',
      `sessd_requests_running ${this.running}`,
      '# HELP sessd_upgrades_total Requests for WebSockets and other upgrades.',
      '# TYPE sessd_upgrades_total counter',
      `sessd_upgrades_total ${this.upgrades}`,
      '# HELP sessd_request_duration_seconds From the request to the last byte handed to the system.',
      '# TYPE sessd_request_duration_seconds histogram',
      ...buckets,
      `sessd_request_duration_seconds_bucket{le="+Inf"} ${this.finished}`,
      `sessd_request_duration_seconds_sum ${this.seconds}`,
      `sessd_request_duration_seconds_count ${this.finished}`,
      '# HELP sessd_session_events_total What happened to sessions in this process.',
      '# TYPE sessd_session_events_total counter',
      ...[...this.events].map(([type, value]) => `sessd_session_events_total{type="${type}"} ${value}`),
      '# HELP sessd_store_operations_total Operations of stores, but for our own in memory; late: not answered in time; refused: the store is known to be away.',
      '# TYPE sessd_store_operations_total counter',
      ...[...this.outcomes].map(([labels, value]) => `sessd_store_operations_total{${labels}} ${value}`),
      '# HELP sessd_store_operation_seconds How long operations of stores took, whatever became of them.',
      '# TYPE sessd_store_operation_seconds summary',
      ...[...this.operationSeconds].map(
        ([labels, value]) => `sessd_store_operation_seconds_sum{${labels}} ${value}`,
      ),
      ...[...this.operations].map(
        ([labels, value]) => `sessd_store_operation_seconds_count{${labels}} ${value}`,
      ),
    ]
    return `${lines.join('\n')}\n`
  }
}

function add(counts: Map<string, number>, key: string, amount = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + amount)
}

function make({ path }: Values<typeof options>): Filter {
  const numbers = new Numbers()
  const listen = (message: unknown) => {
    const event = message as SessionEvent
    const { type } = event
    add(numbers.events, EVENTS.has(type) ? type : 'other', type === 'swept' ? event.count : 1)
  }
  const listenToStores = (message: unknown) => numbers.countOperation(message as StoreOperation)
  diagnostics_channel.subscribe('sessd:session', listen)
  diagnostics_channel.subscribe('sessd:store', listenToStores)

  const filter: Filter = (next) => {
    const app: App = (req, res) => {
      if ((req.url ?? '').split('?', 1)[0] === path && (req.method === 'GET' || req.method === 'HEAD'))
        return show(res, numbers)
      watch(req, res, numbers)
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        numbers.upgrades++
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
  filter.close = () => {
    diagnostics_channel.unsubscribe('sessd:session', listen)
    diagnostics_channel.unsubscribe('sessd:store', listenToStores)
  }
  return filter
}

function watch(req: IncomingMessage, res: ServerResponse, numbers: Numbers): void {
  const { method } = req
  const begun = performance.now()
  numbers.running++
  onceClosed(res, () => {
    numbers.running--
    const status = res.writableFinished ? `${Math.floor(res.statusCode / 100)}xx` : 'aborted'
    numbers.count(method, status, (performance.now() - begun) / 1000)
  })
}

function show(res: ServerResponse, numbers: Numbers): void {
  const body = numbers.text()
  res.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.setHeader('Cache-Control', 'no-store')
  res.end(body)
}
