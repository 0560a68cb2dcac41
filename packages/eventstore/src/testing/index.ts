export {
  aggregateSpecification,
  type CommandSpecification,
  deciderSpecification,
} from './command-specification.ts'
export type { ErrorExpectation, Expectations } from './expectations.ts'
export { ManualClock } from './manual-clock.ts'
export {
  type EventOfStream,
  type ProjectionSpecification,
  projectionSpecification,
} from './projection-specification.ts'
export {
  type WorkflowSpecification,
  type WorkflowSpecificationOptions,
  workflowSpecification,
} from './workflow-specification.ts'
