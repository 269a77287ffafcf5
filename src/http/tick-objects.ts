// Keeps process.nextTick fast. V8 knows the shape of the objects that nextTick makes as long as one of them is alive: at a
// full garbage collection without any, it forgets it, and asks its runtime at each call from then on. With Node 20 that
// is 3.5 microseconds per HTTP request, a quarter of all it costs. So one is kept; decision 017 has the figures.

import { executionAsyncResource } from 'node:async_hooks'

/** Nobody reads it. */
export const kept: object[] = []

process.nextTick(() => kept.push(executionAsyncResource()))
