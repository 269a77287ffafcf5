// One app with a session, behind a web server that speaks https to the world.

import { visits } from './apps.js'
import { appVariable, common, template, useOf } from './template.js'

export const production = template({
  name: 'production',
  summary: 'one app behind a web server, short sessions',
  variables: {
    ...common,
    timeout: { ...common.timeout, default: '1800' },
    app: appVariable('./app.mjs'),
  },
  apps: { app: visits('app.mjs') },
  render: (v) => `\
# For production, behind a web server that speaks https. %(here)s is the directory of this file.

[server:main]
use = egg:Paste#http
host = ${v.host}
port = ${v.port}

[app:main]
use = ${useOf(v.app)}
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.key = ${v.key}
# Signs the cookies: who knows it can be anybody, so keep this file private.
# To read it from elsewhere: \${env:SESSION_SECRET} or \${file:/run/secrets/session}
beaker.session.secret = ${v.secret}
beaker.session.type = file
beaker.session.data_dir = ${v.data_dir}
# Seconds without a request until a session is over, and its longest life in all.
beaker.session.timeout = ${v.timeout}
beaker.session.absolute_timeout = 43200
# No script may read the cookie, and no form or image of another site sends it along.
beaker.session.httponly = true
beaker.session.samesite = Lax
`,
})
