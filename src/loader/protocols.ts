// Paste's factory protocols, and the words of a section that choose between them.

import type { Kind } from './model.js'

/** What a factory is called with, and what it gives back. */
export type Protocol =
  | 'app_factory'
  | 'composite_factory'
  | 'filter_factory'
  | 'filter_app_factory'
  | 'server_factory'
  | 'server_runner'

/** Keys that name a factory. In each group the first hit counts; hits in two groups are an error. */
export const EXPLICIT: Readonly<Record<Kind, readonly (readonly (readonly [word: string, Protocol])[])[]>> = {
  app: [
    [['paste.app_factory', 'app_factory']],
    [['paste.composite_factory', 'composite_factory']],
    [['paste.composit_factory', 'composite_factory']],
  ],
  filter: [
    [
      ['paste.filter_factory', 'filter_factory'],
      ['paste.filter_app_factory', 'filter_app_factory'],
    ],
  ],
  server: [
    [
      ['paste.server_factory', 'server_factory'],
      ['paste.server_runner', 'server_runner'],
    ],
  ],
}

/** What `call:` and an exported function mean, by the kind of section that uses them. */
export const BY_PREFIX: Readonly<Record<string, Protocol>> = {
  app: 'app_factory',
  application: 'app_factory',
  composite: 'composite_factory',
  composit: 'composite_factory',
  filter: 'filter_factory',
  'filter-app': 'filter_factory',
  server: 'server_factory',
}

/** All keys that say what makes a section. */
export const MAKER_WORDS: readonly string[] = [
  'use',
  'pipeline',
  ...Object.values(EXPLICIT).flatMap((groups) => groups.flat().map(([word]) => word)),
]
