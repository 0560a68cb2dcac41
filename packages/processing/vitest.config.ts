import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'processing', include: ['test/**/*.test.ts'] } })
