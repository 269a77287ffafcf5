// Windows of load in turns: A B A B in one run. A ratio is that of a window to the mean of the two windows of the base
// around it, so that what disturbs the machine for longer than a window disturbs both.

import { openLoad } from './load.mjs'
import { quantile, summary } from './numbers.mjs'
import { cpuOf } from './processes.mjs'

/** What V8 compiles late is not a library's cost: so many requests first, or as many as come in five seconds. */
const WARM_UP = 10_000

/**
 * Compares a server with the base, both `{ pid, port, questions }`, and gives median and spread of the ratio of CPU per
 * request, with rate and latencies. Rejects when an answer was not 200.
 */
export async function compare(base, server, { windows, milliseconds, connections, polls, warmUp = WARM_UP }) {
  const open = ({ port }) => openLoad(port, connections, { polls })
  const loads = await Promise.all([open(base), open(server)])
  try {
    const baseWindow = () => window(base, loads[0], milliseconds)
    const ownWindow = () => window(server, loads[1], milliseconds)
    await warm(baseWindow, warmUp)
    await warm(ownWindow, warmUp)
    const ratios = []
    const own = []
    const bases = [await baseWindow()]
    for (let i = 0; i < windows; i++) {
      own.push(await ownWindow())
      bases.push(await baseWindow())
      ratios.push((2 * own[i].cpu) / (bases[i].cpu + bases[i + 1].cpu))
    }
    return { ratio: summary(ratios), ratios, ...described(own), base: described(bases) }
  } finally {
    for (const load of loads) load.close()
  }
}

/** CPU microseconds per request and requests per second, in the median of the windows; latencies of all of them. */
function described(all) {
  const median = (numberOf) => quantile(all.map(numberOf), 0.5)
  const latencies = all.flatMap((one) => one.latencies)
  return {
    cpu: median(({ cpu }) => cpu),
    perSecond: median(({ requests, seconds }) => requests / seconds),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    requests: latencies.length,
  }
}

/** One server alone: CPU microseconds per request, in the median of the windows. */
export async function measureAlone(server, { windows, milliseconds, connections, warmUp = WARM_UP }) {
  const load = await openLoad(server.port, connections)
  try {
    const ownWindow = () => window(server, load, milliseconds)
    await warm(ownWindow, warmUp)
    const cpus = []
    for (let i = 0; i < windows; i++) cpus.push((await ownWindow()).cpu)
    return quantile(cpus, 0.5)
  } finally {
    load.close()
  }
}

async function warm(window, wanted) {
  const end = performance.now() + 5000
  for (let requests = 0; requests < wanted && performance.now() < end; ) requests += (await window()).requests
}

async function window({ pid, questions }, load, milliseconds) {
  const before = cpuOf(pid)
  const done = await load.run(questions, milliseconds)
  const used = cpuOf(pid) - before
  if (done.wrong !== undefined) throw new Error(`under load ${done.wrong}`)
  if (done.requests === 0) throw new Error('under load nothing was answered')
  if (!(used > 0)) throw new Error('its CPU time can not be read')
  return { ...done, cpu: used / done.requests }
}
