/** One line of the table: what was done, how fast, and how fast what it is held against. */
export interface Row {
  readonly work: string
  /** Units a second: the median of the runs, and the slowest. */
  readonly perSecond: number
  readonly slowest: number
  readonly unit: string
  readonly against: string
  readonly reference: number
  /** `perSecond` by `reference`. */
  readonly ratio: number
}

/** Rates of several runs. */
export interface Rate {
  readonly median: number
  readonly slowest: number
}

/** How often everything is run; the first run warms up and does not count. */
export const runs = 3

/** Runs work of so many units several times. `prepare` is not counted. */
export async function measure(
  units: number,
  work: (run: number) => Promise<unknown> | unknown,
  prepare: (run: number) => Promise<unknown> | unknown = () => undefined,
): Promise<Rate> {
  const rates: number[] = []
  for (let run = 0; run <= runs; run++) {
    await prepare(run)
    const began = performance.now()
    await work(run)
    const seconds = (performance.now() - began) / 1000
    if (run > 0) rates.push(units / seconds)
  }
  rates.sort((a, b) => a - b)
  return { median: rates[rates.length >> 1] ?? 0, slowest: rates[0] ?? 0 }
}

export function row(work: string, unit: string, ours: Rate, against: string, reference: Rate): Row {
  const { median: perSecond, slowest } = ours
  return { work, unit, perSecond, slowest, against, reference: reference.median, ratio: perSecond / reference.median }
}
