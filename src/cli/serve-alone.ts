// Serves from the one process that was started. SIGHUP loads the file again beside what runs; modules of JavaScript stay
// what they were, since Node loads each only once: workers and --reload start new processes for them.

import { tapHangup, tapSignals } from './process-events.js'
import { reportError } from './report.js'
import { type Serve, STAYS, tellWhyItTakesLong } from './serve-given.js'
import { type Served, serveHere } from './serve-here.js'
import { notify, writePidFile } from './service.js'

export async function serveAlone(given: Serve, pidFile: string | undefined): Promise<void> {
  const { cli, options, loud, taps, stopped, stop } = given
  let served: Served | undefined
  taps.push(tapSignals(() => stop()))
  const keys = process.stdin.isTTY === true ? await import('./serve-keys.js') : undefined
  if (keys !== undefined) taps.push(keys.tapServeKeys(given, () => served && keys.printTree(given, served)))
  let removePidFile = () => {}
  const reload = async () => {
    try {
      await served!.reload()
      if (loud) cli.say('loaded again')
    } catch (error) {
      reportError(error, cli, options.debug === true)
      cli.say(STAYS, 'warn')
    }
  }
  let turn = Promise.resolve()
  taps.push(
    tapHangup(() => {
      if (served !== undefined) turn = turn.then(reload)
    }),
  )
  const start = async () => {
    served = await serveHere({ ...given, serverName: options.serverName, workers: 1 }, () => {})
    removePidFile = writePidFile(pidFile)
    if (loud) for (const url of served.running.urls) cli.say(`serving on ${url}`)
    keys?.tellKeys(given)
    await notify('READY=1')
  }
  try {
    await Promise.race([start().then(() => stopped), stopped])
    tellWhyItTakesLong(given)
    await notify('STOPPING=1')
    await served?.close()
  } finally {
    removePidFile()
  }
}
