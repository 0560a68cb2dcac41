export { type LogConformanceOptions, logConformance } from './conformance/conformance.ts'
export type { LogLocation } from './conformance/runner.ts'
