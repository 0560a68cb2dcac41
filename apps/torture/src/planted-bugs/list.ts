/** A deliberate defect, and the test that must fail with it. */
export interface PlantedBug {
  readonly name: string
  readonly file: string
  /** Text that the file has once, and what takes its place. */
  readonly find: string
  readonly replace: string
  readonly test: { readonly file: string /** All tests of the file when left out. */; readonly name?: string }
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a partition changes hands before the last commit of its former member is durable',
    file: 'packages/log/src/embedded/group-coordinator.ts',
    find: 'if (free.length > 0) await this.#settled()',
    replace: '',
    test: { file: 'packages/log/test/group-handover.test.ts' },
  },
]
