// What was thrown, which may be anything: an Error, with causes in a circle, or an object that has no text.

/** The error and what caused it, ten at most. */
export function chainOf(error: unknown): unknown[] {
  const chain = [error]
  while (chain.length < 10) {
    const last = chain.at(-1)
    const cause = last instanceof Error ? last.cause : undefined
    if (cause === undefined || chain.includes(cause)) break
    chain.push(cause)
  }
  return chain
}

/** `TypeError: message`, in one line or more. */
export function titleOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `Thrown: ${textOf(error)}`
}

/** The stack without that of its causes. */
export function stackOf(error: unknown): string {
  return error instanceof Error && typeof error.stack === 'string' ? error.stack : titleOf(error)
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'an object without a text'
  }
}
