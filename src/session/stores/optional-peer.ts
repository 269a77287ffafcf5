// Packages that a store needs and sessd does not bring along: imported when first used, and missed in plain words.

/**
 * What `load` imports. Rejects with a sentence that says what to install when it is not there: `what` is what needs it,
 * as written in the INI.
 */
export async function importPeer<T>(what: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new Error(`${what} needs the package ${name}: npm install ${name}`, { cause: error })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}
