import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'cdc', include: ['test/**/*.test.ts'] } })
