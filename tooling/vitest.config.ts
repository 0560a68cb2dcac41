import { project } from './test/project.ts'

export default project('tooling')
