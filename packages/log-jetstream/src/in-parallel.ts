/** Requests that one caller has on their way at a time. */
const width = 64

/** Does the same with each, several at a time; resolves with the results in the order of the items. */
export async function inParallel<Item, Result>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const waiting = [...items].entries()
  const results: Result[] = []
  const worker = async (): Promise<void> => {
    for (const [at, item] of waiting) results[at] = await work(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}
