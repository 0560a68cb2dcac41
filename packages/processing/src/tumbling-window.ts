/** The start of the window of `size` ms that a time belongs to: windows are aligned to the epoch, before it too. */
export const windowStart = (time: number, size: number): number => Math.floor(time / size) * size + 0
