// Where the next key is on its way, and how the current one's trial stands. SPEC.md 10.41.
import type { Instant } from '../base/time.js';
import type { Draft, TunnelKey } from './tunnelKey.js';
import type { Version } from './writes.js';

/** The key that comes after the current one. */
export type NextKey =
  | {
      readonly step: 'signing';
      readonly draft: Draft;
      readonly request: number;
      readonly deadline: Instant;
    }
  /** Signed; to be announced when `version` is on the disk. */
  | { readonly step: 'storing'; readonly key: TunnelKey; readonly version: Version }
  | { readonly step: 'announced'; readonly key: TunnelKey };

/** The current key's; there is none once it is confirmed. */
export interface Trial {
  readonly endsAt: Instant;
  readonly failed: boolean;
  /** It failed, and there was no other key to go back to. */
  readonly judged: boolean;
}
