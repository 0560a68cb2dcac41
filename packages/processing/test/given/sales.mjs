const shops = ['paris', 'oslo', 'lima', '__proto__', 'x'.repeat(1000)]

/**
 * The nth sale of a made-up chain of shops, in order of time.
 *
 * @param {number} n
 */
export const saleAt = n => ({ n, shop: shops[(n * 7) % 5] ?? '', amount: ((n * 31) % 97) / 10, time: n * 97_001 })
