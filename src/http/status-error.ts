// Errors that are answers: those of http-errors, Koa, Express and Fastify carry a status, some of them headers.

/** The status that a thrown error stands for, `lowest` to 599; undefined for any other error. */
export function statusOf(error: unknown, lowest = 400): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { status, statusCode } = error as { status?: unknown; statusCode?: unknown }
  const found = typeof status === 'number' ? status : statusCode
  return typeof found === 'number' && Number.isInteger(found) && found >= lowest && found <= 599
    ? found
    : undefined
}
