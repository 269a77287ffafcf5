// The package `commander`, by require: `import` first reads all of a CommonJS module for the names that it exports, which
// takes longer than to run it (decision 021).

import { createRequire } from 'node:module'
import type * as commander from 'commander'

export const { Command, CommanderError, Help } = createRequire(import.meta.url)(
  'commander',
) as typeof commander
export type Command = commander.Command
