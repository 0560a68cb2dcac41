/** An order whose JSON has about 100 bytes. */
export const order = (n: number): { id: string; customer: number; amount: number; at: number; note: string } => ({
  id: `order-${n}`,
  customer: n % 1000,
  amount: (n % 10_000) / 100,
  at: 1_700_000_000_000 + n,
  note: 'leave at the door',
})

/** Runs `work` for 0 to `count` - 1, so many at a time. */
export async function inFlight(count: number, width: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: width }, one))
}
