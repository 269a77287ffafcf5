#!/usr/bin/env node
// Hands argv to the built command line. Everything else is in src/cli/.
import { main } from '../dist/cli/main.js'

process.exitCode = await main(process.argv.slice(2))
