// What goes into the rotation of tunnel keys and what comes out of it. SPEC.md 10.41.
import type { Secret } from '../base/secret.js';
import type { TunnelKey } from './tunnelKey.js';

export type RotationEvent =
  /** The first event, once. */
  | { readonly kind: 'started' }
  /** 64 bytes, as KeyManager.signWithIdentity gives them. */
  | { readonly kind: 'signed'; readonly request: number; readonly signature: Uint8Array }
  | { readonly kind: 'signFailed'; readonly request: number }
  /** All of this write, and of those before it, is on the disk. */
  | { readonly kind: 'stored'; readonly write: number }
  | { readonly kind: 'storeFailed'; readonly write: number }
  /** The peer has verified us under this key. */
  | { readonly kind: 'handshakeCompleted'; readonly epoch: bigint }
  /** A handshake under this key was given up, in either role. */
  | { readonly kind: 'handshakeFailed'; readonly epoch: bigint }
  /** The operator wants another key now. */
  | { readonly kind: 'rotateRequested' };

export type RotationAlert = 'signing' | 'store' | 'rolledBack' | 'unconfirmed' | 'noKey';

export type Transition =
  | 'drawn'
  | 'signed'
  | 'announced'
  | 'activated'
  | 'confirmed'
  | 'rolledBack'
  | 'ended'
  /** Another key took its place before it was used. */
  | 'discarded'
  /** Found in the store, but not of this identity. */
  | 'unusable';

export type RotationEffect =
  /** The identity signs `input`, as it stands. */
  | { readonly kind: 'sign'; readonly request: number; readonly input: Uint8Array }
  /** In the order of the effects. Whoever takes it destroys `value` when it is written. */
  | { readonly kind: 'store'; readonly write: number; readonly value: Secret }
  /** To all peers in touch; `Rotation.announcement` is for those that come later. */
  | { readonly kind: 'announce'; readonly credential: Uint8Array }
  /**
   * The keys in use, the preferred one first (10.41 says which attempt takes which); none if the
   * list is empty. Lent until the next call of the machine; those not in the list any more are
   * destroyed already.
   */
  | { readonly kind: 'useKeys'; readonly keys: readonly TunnelKey[] }
  | { readonly kind: 'alert'; readonly alert: RotationAlert; readonly raised: boolean }
  /** For the log. */
  | { readonly kind: 'transition'; readonly transition: Transition; readonly epoch: bigint };

/**
 * Which of `count` keys in use a handshake takes; `attempt` counts from 0. The two roles count at
 * different speeds, so that every pair of two ends' keys has its turn.
 */
export const keyOfAttempt = (
  role: 'initiator' | 'responder',
  attempt: number,
  count: number,
): number => (role === 'initiator' ? attempt : attempt >> 1) % count;
