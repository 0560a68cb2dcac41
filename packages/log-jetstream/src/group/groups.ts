import type { GroupMember, JoinOptions } from '@aegis/log'
import { parseDuration } from '@aegis/log'
import { AegisError } from '@aegis/storage'
import type { Domain } from '../domain.ts'
import { checkGroupId, type Positions } from '../positions.ts'
import type { Topic } from '../topic.ts'
import { GroupStore } from './group-store.ts'
import { Member, type MemberHost } from './member.ts'

function checkInstanceId(instanceId: unknown): void {
  if (instanceId === undefined || (typeof instanceId === 'string' && /^.{1,200}$/su.test(instanceId))) return
  throw new AegisError('LOG_INVALID', `instanceId is ${JSON.stringify(instanceId)}: give 1 to 200 characters`)
}

/** The members of groups that this process has. */
export class Groups implements MemberHost {
  readonly store: GroupStore
  readonly positions: Positions
  readonly #members = new Map<Member, Topic>()

  constructor(domain: Domain, positions: Positions) {
    this.store = new GroupStore(domain)
    this.positions = positions
  }

  async join(topic: Topic, options: JoinOptions): Promise<GroupMember> {
    checkGroupId(options.groupId)
    checkInstanceId(options.instanceId)
    const sessionTimeout = parseDuration('sessionTimeout', options.sessionTimeout ?? '30s')
    if (sessionTimeout < 200) {
      throw new AegisError('LOG_INVALID', `sessionTimeout is ${sessionTimeout} ms: give at least 200`)
    }
    const member = new Member(this, topic, options, sessionTimeout)
    this.#members.set(member, topic)
    try {
      await member.join()
    } catch (error) {
      await member.leave()
      throw error
    }
    return member
  }

  left(member: Member): void {
    this.#members.delete(member)
  }

  async topicDeleted(topic: Topic): Promise<void> {
    for (const [member, of] of this.#members) if (of === topic) await member.leave()
    await this.store.forget(topic)
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#members.keys()].map(member => member.leave()))
  }
}
