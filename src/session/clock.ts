// Time, so that tests can turn it.

/** Answers now, in epoch milliseconds. */
export type Clock = () => number

export const systemClock: Clock = Date.now
