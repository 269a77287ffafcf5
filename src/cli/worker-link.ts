// What a worker process and the one that started it say to each other.

/** How many workers there are; in a worker's environment only, so that it knows to be one. */
export const WORKERS = 'SESSD_WORKERS'

/** In a worker's environment: the ports that port = 0 got before, for egg:Paste#http; blank when they are still held. */
export const KEPT_PORTS = 'SESSD_KEPT_PORTS'

/** `retire`: others go on serving, so idle connections need not be cut. `tree`: print what is composed. */
export type ToWorker = 'stop' | 'retire' | 'tree'

export type FromWorker =
  | { readonly sessd: 'ready'; readonly urls: readonly string[] }
  /** It has read this file: when that changes, so should the worker. */
  | { readonly sessd: 'file'; readonly file: string }

/** This process, if it is a worker. */
export interface OwnWorker {
  /** 1 for the first that was ever started. */
  readonly id: number
  /** How many workers there are. */
  readonly count: number
}

/** undefined in a process that somebody else started. */
export async function ownWorker(): Promise<OwnWorker | undefined> {
  const count = Number(process.env[WORKERS] ?? 0)
  if (count === 0) return undefined
  const { default: cluster } = await import('node:cluster')
  return cluster.isWorker ? { id: cluster.worker!.id, count } : undefined
}

/** Says something to the process that started this worker; when that is gone, nobody hears it. */
export function tellParent(message: FromWorker): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}

/** Hears what this worker has to do. When the process that started it is gone, Node ends this one too. */
export function hearParent(hear: (order: ToWorker) => void): () => void {
  const onMessage = (message: unknown) => {
    if (message === 'stop' || message === 'retire' || message === 'tree') hear(message)
  }
  process.on('message', onMessage)
  return () => void process.off('message', onMessage)
}

export function isFromWorker(message: unknown): message is FromWorker {
  return typeof message === 'object' && message !== null && 'sessd' in message
}
