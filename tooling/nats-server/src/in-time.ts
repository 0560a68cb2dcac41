/** As the promise; rejects when it has not settled after so many milliseconds, and says what was waited for. */
export function inTime<T>(promise: Promise<T>, milliseconds: number, what: () => string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`waited ${milliseconds / 1000} s in vain for ${what()}`)),
      milliseconds,
    )
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
