// What an engine of sessions is told in tests of it: nothing expires, and nobody hears of a failure but who asked.

import type { SessionSettings } from '../../src/session/settings.js'

export const plainSettings: SessionSettings = {
  timeout: null,
  absoluteTimeout: null,
  touchAfter: null,
  auto: false,
  invalidateCorrupt: true,
  onStoreError: 'error',
  failOnConflict: false,
  maxBytes: 1 << 20,
  touchRewrites: false,
  newDomain: undefined,
  newPath: undefined,
}
