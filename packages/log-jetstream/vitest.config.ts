import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'log-jetstream', include: ['test/**/*.test.ts'] } })
