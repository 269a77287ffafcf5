// Waiting for code of others: a promise that nothing can settle any more is told, where Node would end the process
// with exit code 13 and without a word.

/** What is waited for now, the newest last. One listener serves them all: Node warns when an event has more than ten. */
const waiting = new Set<() => void>()

/**
 * What `work` gives; or rejects with what `explain` gives, when the process has nothing left to do and `work` is the
 * last that was begun and is not settled.
 */
export async function unlessStalled<T>(work: PromiseLike<T>, explain: () => Error): Promise<T> {
  let stall = () => {}
  const stalled = new Promise<never>((_, reject) => {
    stall = () => reject(explain())
  })
  if (waiting.size === 0) process.on('beforeExit', tellNewest)
  waiting.add(stall)
  try {
    return await Promise.race([work, stalled])
  } finally {
    waiting.delete(stall)
    if (waiting.size === 0) process.off('beforeExit', tellNewest)
  }
}

/** The newest alone is to blame: those before it wait for it. */
function tellNewest(): void {
  const [newest] = [...waiting].reverse()
  newest?.()
}
