// What every way to serve is given, and the sentences that they share.

import type { ConfigWarning } from '../loader.js'
import type { Conf } from '../protocol.js'
import type { Target } from './arguments.js'
import type { EndTap } from './process-events.js'
import type { Cli } from './terminal.js'

export interface ServeOptions {
  readonly appName?: string
  readonly serverName?: string
  readonly port?: string
  readonly host?: string
  readonly workers?: string
  readonly reload?: true
  readonly envFile?: string
  readonly quiet?: true
  readonly debug?: true
}

/** Said when what was to be loaded is broken. */
export const STAYS = 'what was loaded before goes on serving'

/** What every way to serve needs. */
export interface Serve {
  readonly cli: Cli
  readonly target: Target
  readonly options: ServeOptions
  readonly env: NodeJS.ProcessEnv
  /** What `-p` and `-H` lay over the server's section. */
  readonly localConf: Conf
  readonly loud: boolean
  /** Ended by whoever began. */
  readonly taps: EndTap[]
  readonly stopped: Promise<void>
  stop(): void
  onWarning(warning: ConfigWarning): void
  /** Reads again how the file says to log; what it answers puts that into force. Rejects with ConfigError. */
  readLog(): Promise<() => Promise<void>>
}

/** After a second; most stops are faster, and need no word. */
export function tellWhyItTakesLong({ cli, loud }: Serve): void {
  const hint = 'waiting for running requests; a second signal (Ctrl-C) ends them'
  if (loud) setTimeout(() => cli.say(hint), 1000).unref()
}
