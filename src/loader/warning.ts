// Warnings: what is allowed and probably a slip.

import { formatPlace, type Place } from '../config/errors.js'
import type { ConfigWarning } from './model.js'

/** Makes a warning; its message has the form of an error's. */
export function warning(reason: string, place: Place): ConfigWarning {
  return { reason, place, message: formatPlace(place) + reason }
}
