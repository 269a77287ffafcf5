import { describe, it } from 'vitest'
import { memoryStore } from '../../../src/session/stores/memory.js'
import { storeConformance } from '../../../src/session/testing.js'

describe('the memory store conforms', () => {
  storeConformance({ describe, it, open: (clock) => memoryStore({ clock }) })
})

describe('the memory store with a limit conforms', () => {
  storeConformance({ describe, it, open: (clock) => memoryStore({ clock, maxSessions: 1000 }) })
})
