import { project } from '../test/project.ts'

export default project('nats-server')
