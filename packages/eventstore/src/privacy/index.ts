export { type Absent, isAbsent, type Private } from '../event-protection.ts'
export type { MasterKey } from './master-keys.ts'
export type { PersonalData } from './personal-data.ts'
export { type ForgetOptions, Privacy, type PrivacyOptions } from './privacy.ts'
