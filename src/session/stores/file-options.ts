// What the file store is told in an INI.

import * as type from '../../config/converters.js'
import { type OptionTable, option } from '../../config/options.js'

export const options = {
  data_dir: option({
    type: type.text,
    default: undefined,
    doc: "Directory of the file store. Pylons' cache_dir means cache_dir/sessions.",
  }),
  file_dir: option({
    type: type.text,
    default: undefined,
    doc: 'Directory of the session files themselves, in place of data_dir/container_file.',
  }),
  lock_dir: option({
    type: type.text,
    default: undefined,
    doc: 'Directory of lock files, the same for all processes. Without it: beside the session files.',
  }),
  flock: option({
    type: type.either(type.oneOf('auto'), type.boolean),
    default: 'auto',
    doc: "Whether Beaker's own locks are taken as well, with the package fs-ext. auto: in Beaker formats, if it is there.",
  }),
  fsync: option({
    type: type.boolean,
    default: false,
    doc: 'Whether a save waits until the disk has it: survives power loss, costs about half a millisecond.',
  }),
} as const satisfies OptionTable
