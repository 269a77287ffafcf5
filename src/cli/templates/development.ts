// One app with a session, for one machine.

import { visits } from './apps.js'
import { appVariable, common, template, useOf } from './template.js'

export const development = template({
  name: 'development',
  summary: 'one app and its session, on this machine only',
  variables: { ...common, app: appVariable('./app.mjs') },
  apps: { app: visits('app.mjs') },
  render: (v) => `\
# For development. %(here)s is the directory of this file.

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
beaker.session.secret = ${v.secret}
beaker.session.type = file
beaker.session.data_dir = ${v.data_dir}
# Seconds without a request until a session is over.
beaker.session.timeout = ${v.timeout}
`,
})
