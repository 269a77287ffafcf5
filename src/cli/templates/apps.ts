// The small apps that templates mount until there are real ones. They import nothing, so they run wherever sessd does,
// and they end in .mjs, so they are modules whatever package.json says.

import type { AppFile } from './template.js'

/** A page that counts visits. */
export function visits(file: string): AppFile {
  return {
    file,
    source: `\
// Makes the app: gets the settings of its section, gives a Node request handler. An Express, Connect, Koa or Fastify
// app is taken as well, from here or as the default export itself.
export default function makeApp(globalConf, settings) {
  return async (req, res) => {
    const session = await req.environ['beaker.session'].load()
    const visits = (session.get('visits') ?? 0) + 1
    session.set('visits', visits)
    session.save()
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    res.end(\`Hello! Visit number \${visits} with this session.\\n\`)
  }
}
`,
  }
}

/** A JSON answer made of the same session. */
export function api(file: string): AppFile {
  return {
    file,
    source: `\
// Mounted beside the page, with the same session: it sees the page's visits.
export default function makeApi(globalConf, settings) {
  return async (req, res) => {
    const session = await req.environ['beaker.session'].load()
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ path: req.environ.PATH_INFO, visits: session.get('visits') ?? 0 }))
  }
}
`,
  }
}
