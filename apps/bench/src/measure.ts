/** One line of the table: what was done, how well, and how well what it is held against. */
export interface Row {
  readonly work: string
  /** Median of the runs, and the worst of them. */
  readonly measured: number
  readonly worst: number
  /** Such as `messages/s`. */
  readonly unit: string
  readonly against: string
  readonly reference: number
  /** Above 1 is better than the reference. */
  readonly ratio: number
  /** The ratio that is promised. */
  readonly goal?: number
}

/** Rates of several runs, a second. */
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

/** A line of rates; `units` such as `messages`. */
export function row(
  work: string,
  units: string,
  { median, slowest }: Rate,
  against: string,
  reference: Rate,
  goal?: number,
): Row {
  return {
    work,
    measured: median,
    worst: slowest,
    unit: `${units}/s`,
    against,
    reference: reference.median,
    ratio: median / reference.median,
    ...(goal !== undefined && { goal }),
  }
}

/** One run, for work that is too long to be repeated. */
export async function measureOnce(units: number, work: () => Promise<unknown> | unknown): Promise<Rate> {
  const began = performance.now()
  await work()
  const rate = units / ((performance.now() - began) / 1000)
  return { median: rate, slowest: rate }
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0

/** A line of times in milliseconds, of which so many are below. */
export function timesRow(
  work: string,
  ours: readonly number[],
  share: number,
  against: string,
  reference: readonly number[],
): Row {
  const [measured, bare] = [quantile(ours, share), quantile(reference, share)]
  const worst = Math.max(...ours)
  return { work, measured, worst, unit: 'ms', against, reference: bare, ratio: bare / measured }
}

/** A line of something that should be small. */
export function limitRow(work: string, unit: string, measured: number, limit: number, worst = measured): Row {
  return {
    work,
    measured,
    worst,
    unit,
    against: 'what is promised',
    reference: limit,
    ratio: limit / measured,
    goal: 1,
  }
}
