// egg:Paste#pony: a pony at /pony. Belongs wherever one is missed.

import { readOptions } from '../config/options.js'
import { environ } from '../http/environ.js'
import { html, sendPage } from '../http/html-page.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import type { App, Conf, Filter } from '../protocol.js'

/** egg:Paste#pony: no settings. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  readOptions({}, localConf)
  return pony()
}

/** The same for use in code: `pony()(app)`. `?horn` makes it a unicorn. */
export function pony(): Filter {
  return (next) => {
    const app: App = (req, res) => {
      const { PATH_INFO, QUERY_STRING, SCRIPT_NAME } = environ(req)
      if (PATH_INFO !== '/pony' || (req.method !== 'GET' && req.method !== 'HEAD')) return next(req, res)
      const hasHorn = QUERY_STRING.includes('horn')
      const here = `${SCRIPT_NAME}/pony`
      sendPage(
        res,
        200,
        hasHorn ? 'Unicorn' : 'Pony',
        html`<pre>${draw(hasHorn)}</pre>
<p><a href="${hasHorn ? here : `${here}?horn`}">${hasHorn ? 'remove horn!' : 'add horn!'}</a>`,
      )
    }
    return passUpgrade(app, next)
  }
}

function draw(hasHorn: boolean): string {
  return hasHorn ? HORN + PONY : `\n\n${PONY}`
}

const HORN = `                         /
                        //
`

const PONY = String.raw`                     ,;;//,
                   ,;;;' o\
        ________,;;;;;     \__
     ,;/        ';;;' )\   __/
   ,;;/               |  '~'
  ;;;|    |       |   /
  ';;|    |~~~~~~~|  |
   ;;|  / |       | ||
    ' | | |       | ||
      |_|_|       |_||
      (_(_)       (_(_)
`
