import type { OpenLogOptions } from '@aegis/log'

/** Where the engine keeps its data: exactly one of `dataDir` and `memory`. */
export interface EngineOptions extends OpenLogOptions {}
