// The app behind all mounts of our own urlmap: the same text, and to who asks with `?where` the path of the mount.

import { answer, HELLO } from './pages.mjs'

export function makeApp() {
  return (req, res) => answer(res, req.url.endsWith('?where') ? req.baseUrl : HELLO)
}
