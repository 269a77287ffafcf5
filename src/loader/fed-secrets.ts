// Settings that one file hands down and another puts into a secret: only when that other file is read does it show that
// they are secret too.

import type { Place } from '../config/errors.js'
import type { Setting } from './settings.js'

/** All of them that a loader has met, each by where it is written; one of the command line by its name. */
export class FedSecrets {
  readonly #ids = new Set<string>()

  /** Notes that `setting`, which is there as `name`, feeds a secret. The places that no file has feed none. */
  feed(name: string, setting: Setting | undefined): void {
    if (setting !== undefined && !isPlaceOfFile(name, setting)) this.#ids.add(idOf(name, setting))
  }

  has(name: string, setting: Setting): boolean {
    return this.#ids.size > 0 && this.#ids.has(idOf(name, setting))
  }
}

function idOf(name: string, { place }: Setting): string {
  return JSON.stringify(place === undefined ? [name] : [place.file, place.section, place.key])
}

/** `here` and `__file__`: everybody knows them, and who would not want them in messages. */
function isPlaceOfFile(name: string, { place }: { readonly place?: Place | undefined }): boolean {
  return place === undefined && (name === 'here' || name === '__file__')
}
