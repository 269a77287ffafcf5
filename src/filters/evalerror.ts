// The page for developers, on as long as nothing says otherwise: egg:Paste#evalerror. Paste's runs what is typed into it;
// this one only shows.

import type { Conf, Filter } from '../protocol.js'
import { makeErrorCatcher } from './error_catcher.js'

export { options } from './error_catcher.js'

/** egg:Paste#evalerror: error_catcher with `debug = true` as its default. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  return makeErrorCatcher(globalConf, localConf, true)
}
