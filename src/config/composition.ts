// What files were made into, for pages about errors: the loader writes down what it makes, filters find where they stand.
// It has no settings, of which some are secret.

import type { Place } from './errors.js'

/** One part of a composition, as `sessd show` draws it. */
export interface ComposedPart {
  readonly kind: 'app' | 'filter' | 'server'
  /** How its section is written: `[pipeline:x]` is a pipeline. */
  readonly shape: string
  /** The section's name without its prefix, or the URI that was asked for. */
  readonly name: string
  /** What made it; undefined for a pipeline. */
  readonly use: string | undefined
  readonly place: Place | undefined
  /** What it is to its parent: of a composite's apps, the key that mounts it. */
  readonly role: string
  /** In the order in which a request meets them; of a composite, those that it chooses from. */
  readonly children: readonly ComposedPart[]
}

/** All that was made in one go. */
export interface Composition {
  /** undefined while it is being made. */
  root: ComposedPart | undefined
}

const compositions = new WeakMap<object, Composition>()

/** Writes down that `app`, which a filter gave back, belongs to `composition`. */
export function belongs(app: object, composition: Composition): void {
  compositions.set(app, composition)
}

/** What an app that a filter gave back belongs to; undefined if no loader has put that filter there. */
export function compositionOf(app: object): Composition | undefined {
  return compositions.get(app)
}

/** The servers that this process has made and not closed. */
export const servers = new Set<ComposedPart>()
