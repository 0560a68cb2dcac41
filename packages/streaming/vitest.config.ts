import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'streaming', include: ['test/**/*.test.ts'] } })
