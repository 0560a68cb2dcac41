import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'eventstore', include: ['test/**/*.test.ts'] } })
