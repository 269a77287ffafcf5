// The two sides of serving from several processes: the one that looks after the others, and each of the others.

import type { Server } from '../protocol.js'
import { Crew } from './crew.js'
import { hearModules, requiredModules } from './loaded-modules.js'
import { tapHangup, tapSignals, tapWorkerSignals } from './process-events.js'
import { reportError, shortName } from './report.js'
import { type Serve, STAYS, tellWhyItTakesLong } from './serve-given.js'
import { LONGEST_GOODBYE, type Served, serveHere } from './serve-here.js'
import { printTree, tapServeKeys, tellKeys } from './serve-keys.js'
import { notify, writePidFile } from './service.js'
import { Watcher } from './watcher.js'
import { hearParent, tellParent } from './worker-link.js'

/** Starts `count` workers and keeps them; SIGHUP, and with --reload every changed file, replaces them by new ones. */
export async function serveByWorkers(
  given: Serve,
  count: number,
  { pidFile, longestClose = 0 }: Pick<Server, 'pidFile' | 'longestClose'>,
): Promise<void> {
  const { cli, options, target, loud, taps, stopped, stop } = given
  let isReady = false
  let turn = Promise.resolve()
  const useLog = async () => (await given.readLog())()
  const replace = (why: string) => {
    if (!isReady) return
    turn = turn.then(async () => {
      if (loud) cli.say(why)
      const done = await crew.replace()
      if (done) await useLog().catch((error: unknown) => reportError(error, cli, options.debug === true))
      if (loud || !done) cli.say(done ? 'loaded again' : STAYS, done ? 'info' : 'warn')
    })
  }
  const watcher = new Watcher(
    (files) => replace(`${files.map((file) => shortName(file, cli)).join(', ')} changed, loading again`),
    (sentence) => cli.say(sentence),
  )
  const crew = new Crew({
    count,
    longestEnd: longestClose * 1000 + LONGEST_GOODBYE + 1000,
    say: (sentence) => cli.say(sentence, 'warn'),
    onFile: (file) => options.reload === true && watcher.add(file),
  })
  const killAll = () => crew.kill()
  process.on('exit', killAll) // after a second signal, for one
  taps.push(
    tapSignals(stop),
    tapHangup(() => replace('loading again')),
    tapServeKeys(given, () => crew.tree()),
    () => watcher.close(),
    () => process.off('exit', killAll),
  )
  let removePidFile = () => {}
  try {
    if (options.reload === true) watcher.add(target.file)
    const started = await crew.start()
    if (typeof started === 'number') {
      cli.exitCode = started
      return
    }
    isReady = true
    removePidFile = writePidFile(pidFile)
    if (loud) for (const url of started) cli.say(`serving on ${url}`)
    tellKeys(given)
    await notify('READY=1')
    await stopped
    isReady = false
    tellWhyItTakesLong(given)
    await notify('STOPPING=1')
    if (!(await crew.stop())) cli.exitCode = 1
  } finally {
    removePidFile()
  }
}

/** Serves as one of `workers` processes, until the one that started it says stop. */
export async function serveAsWorker(given: Serve, workers: number): Promise<void> {
  const { options, taps, stopped, stop } = given
  let patient = false
  taps.push(
    hearParent((order) => {
      if (order === 'tree') return served && printTree(given, served)
      patient = order === 'retire'
      stop()
    }),
    tapWorkerSignals(stop),
  )
  const tellFile = (file: string) => tellParent({ sessd: 'file', file })
  if (options.reload === true) hearModules(tellFile)
  let served: Served | undefined
  const start = async () => {
    try {
      served = await serveHere({ ...given, serverName: options.serverName, workers }, (files) =>
        files.forEach(tellFile),
      )
    } finally {
      requiredModules().forEach(tellFile)
    }
    tellParent({ sessd: 'ready', urls: served.running.urls })
  }
  await Promise.race([start().then(() => stopped), stopped])
  await served?.close({ patient })
}
