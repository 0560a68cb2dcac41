export { type LogConformanceOptions, logConformance } from './conformance/conformance.ts'
export type { Expectation, LogLocation, TestRunner } from './conformance/runner.ts'
