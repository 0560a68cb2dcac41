export type { CloudEvent } from './cloud-event.ts'
export { type ExportEventsOptions, exportEvents } from './export-events.ts'
export { type ImportEventsOptions, type ImportResult, importEvents } from './import-events.ts'
