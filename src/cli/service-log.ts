// How a service logs while it is served: as its file says, from the start and from each reload on. With a [logging]
// section, what `serve` has to say goes into the log too; Python's sections are about the loggers of apps alone.

import { logger } from '../config/logging.js'
import { createLoader } from '../loader.js'
import type { Target } from './arguments.js'
import type { Cli } from './terminal.js'

export interface ServiceLog {
  /** Reads what the file says now; what it answers puts that into force. Rejects with ConfigError, and changes nothing. */
  read(env: NodeJS.ProcessEnv): Promise<() => Promise<void>>
  /** Whether programs read what is logged, so that all has to be JSON. */
  readonly isJson: boolean
  /** Puts back how it was, when all is written. */
  end(): Promise<void>
}

/** `worker`: the number of this process among several. */
export function makeServiceLog(cli: Cli, { uri, globalConf }: Target, worker?: number): ServiceLog {
  let isJson = false
  let putBack = async () => {}
  return {
    async read(env) {
      const setup = await createLoader({ env }).logging(uri, { globalConf })
      return async () => {
        const flushed = putBack()
        putBack = setup?.apply({ worker }) ?? (async () => {})
        isJson = setup?.source === 'sessd' && setup.isJson
        cli.log = setup?.source === 'sessd' ? logger('sessd.serve') : undefined
        await flushed
      }
    },
    get isJson() {
      return isJson
    },
    async end() {
      cli.log = undefined
      isJson = false
      await putBack()
    },
  }
}
