import type { Log, Transaction } from '@aegis/log'
import type { ForgettingStore } from '../event-log.ts'
import { checkSubject, type EventProtection } from '../event-protection.ts'
import { invalid } from '../invalid.ts'
import { KeyStore, keySpace } from './key-store.ts'
import { type MasterKey, MasterKeys } from './master-keys.ts'
import { type PersonalData, personalDataByType } from './personal-data.ts'
import { ProtectedLog } from './protected-log.ts'

export interface PrivacyOptions {
  /** The first wraps the keys of subjects from now on; the others unwrap what they have wrapped. */
  masterKeys: readonly MasterKey[]
  personalData: readonly PersonalData[]
}

export interface ForgetOptions {
  /**
   * Whether the storage is rewritten where the key was, so that it is in no file of the database any more. Default true; false
   * for those who forget many and call `compact` in the end.
   */
  compact?: boolean
}

/**
 * Keeps chosen fields of events encrypted, each subject's with a key of its own (AES-256-GCM). When the key is forgotten, so is the
 * data, in the log and in all its copies and backups, however many there are. Given to one store or several of one log.
 */
export class Privacy {
  readonly #masters: MasterKeys
  readonly #rules: ReturnType<typeof personalDataByType>
  #log: Log | undefined
  #keys: KeyStore | undefined
  #protected: ProtectedLog | undefined
  readonly #stores = new Set<ForgettingStore>()

  /** @throws AegisError `EVENT_INVALID` */
  constructor({ masterKeys, personalData }: PrivacyOptions) {
    this.#masters = new MasterKeys(masterKeys)
    this.#rules = personalDataByType(personalData)
  }

  /** Called by the event store that it is given to. @throws AegisError `EVENT_INVALID` for another log than before */
  protect(log: Log, store: ForgettingStore): EventProtection {
    if (this.#log !== undefined && this.#log !== log)
      throw invalid('this Privacy belongs to a store of another log: make one for each log')
    this.#log = log
    for (const other of this.#stores) if (other.closed) this.#stores.delete(other)
    this.#stores.add(store)
    this.#keys ??= new KeyStore(log, this.#masters)
    this.#protected ??= new ProtectedLog(this.#rules, this.#keys)
    return this.#protected
  }

  /**
   * Forgets a subject: what of the private data is theirs reads as `{ $absent: 'forgotten' }` from now on, everywhere. In other
   * processes on one cluster within five seconds. Forgetting who is not known is no error. A subject who comes back gets a new key, with which
   * what was forgotten stays so. In the same commit the event `$subject-forgotten` is appended to the stream `$subjects-forgotten`, by which
   * projections and workflows that have `forget` hear of it.
   * @throws AegisError `EVENT_INVALID`
   */
  async forget(subject: string, { compact = true }: ForgetOptions = {}): Promise<void> {
    await this.#attached().log.transaction(tx => this.within(tx).forget(subject), { retries: 1000 })
    if (compact) await this.compact()
  }

  /** Inside a transaction of the log: forgets when it commits, together with what else is in it. `compact` afterwards. */
  within(tx: Transaction): { forget(subject: string): Promise<void> } {
    const { keys } = this.#attached()
    return {
      forget: async subject => {
        keys.forget(tx, checkSubject(subject, 'forget'))
        // Each has inline projections of its own.
        for (const store of this.#stores) if (!store.closed) await store.announce(tx, subject)
      },
    }
  }

  /**
   * Rewrites the storage where keys were deleted or replaced, so that they are in no file of the database any more. Blocks of the
   * disk, and backups that were made before, may still have them, wrapped by the master key.
   */
  compact(): Promise<void> {
    return this.#attached().log.compactState(keySpace)
  }

  /**
   * Wraps the keys of all subjects by the first of `masterKeys`; gives how many. Interrupted, it goes on when it is called again. After it
   * the other master keys are needed no more.
   */
  async rewrapKeys(): Promise<number> {
    const count = await this.#attached().keys.rewrap()
    await this.compact()
    return count
  }

  #attached(): { log: Log; keys: KeyStore } {
    if (this.#log === undefined || this.#keys === undefined)
      throw invalid('this Privacy belongs to no event store yet: give it to one as its option privacy')
    return { log: this.#log, keys: this.#keys }
  }
}
