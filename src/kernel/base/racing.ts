/** Resolves with the first result that is not undefined; with undefined when there is none. Rejects with the first failure. */
export function firstFound<T>(promises: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let open = promises.length
    if (open === 0) resolve(undefined)
    for (const promise of promises) {
      promise.then((value) => {
        if (value !== undefined) resolve(value)
        else if (--open === 0) resolve(undefined)
      }, reject)
    }
  })
}

/** The result, or after `ms` milliseconds what `late` says. */
export function within<T>(promise: Promise<T>, ms: number, late: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late()), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** The result, unless `signal` fires first: then its reason is thrown, and the result is dropped. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
