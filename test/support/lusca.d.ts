declare module 'lusca' {
  import type { RequestHandler } from 'express'

  const lusca: { csrf(options?: { key?: string; header?: string; secret?: string }): RequestHandler }
  export default lusca
}
