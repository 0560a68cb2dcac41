import { project } from '../../tooling/test/project.ts'

export default project('log')
