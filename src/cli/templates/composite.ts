// Several apps under one roof, one session for all of them.

import { api, visits } from './apps.js'
import { appVariable, common, template, useOf } from './template.js'

export const composite = template({
  name: 'composite',
  summary: 'several apps, mounted by path, one session',
  variables: { ...common, app: appVariable('./app.mjs'), api: appVariable('./api.mjs', '/api') },
  apps: { app: visits('app.mjs'), api: api('api.mjs') },
  render: (v) => `\
# Several apps, one session. %(here)s is the directory of this file.

[server:main]
use = egg:Paste#http
host = ${v.host}
port = ${v.port}

# A request meets the session first, then the map of mounts.
[filter-app:main]
use = egg:Beaker#beaker_session
next = mounts
beaker.session.key = ${v.key}
# Signs the cookies: who knows it can be anybody, so keep this file private.
beaker.session.secret = ${v.secret}
beaker.session.type = file
beaker.session.data_dir = ${v.data_dir}
# Seconds without a request until a session is over.
beaker.session.timeout = ${v.timeout}

# The longest path wins, wherever it stands.
[composite:mounts]
use = egg:Paste#urlmap
/ = home
/api = api
# /old = old

[app:home]
use = ${useOf(v.app)}

[app:api]
use = ${useOf(v.api)}

# An app that runs elsewhere, in whatever language: take the # away here and above.
# [app:old]
# use = egg:Paste#proxy
# address = http://127.0.0.1:5000
`,
})
