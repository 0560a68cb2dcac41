import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { name: 'nats-server', include: ['test/**/*.test.ts'] } })
