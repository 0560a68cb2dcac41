import { defineConfig } from 'vitest/config'

/**
 * The settings of a package's tests. They wait for events: a busy machine makes them slow, not wrong. So a wait has all the time
 * of its test, and setting up and clearing away have as much.
 */
export const project = (name: string): ReturnType<typeof defineConfig> =>
  defineConfig({
    test: {
      name,
      include: ['test/**/*.test.ts'],
      testTimeout: 120_000,
      hookTimeout: 120_000,
      expect: { poll: { timeout: 100_000, interval: 20 } },
    },
  })
