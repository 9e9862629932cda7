// What a saved state means at a start, in the same boot or in another one. SPEC.md 10.41, 10.43.
import { equalConstantTime } from '../base/bytes.js';
import type { Moment } from '../base/time.js';
import { after, earlier } from '../base/time.js';
import { CREDENTIAL_LIFETIME_MAX_MS } from '../identity/credential.js';
import type { RotationTimes } from './limits.js';
import type { RotationState } from './rotationState.js';
import type { ActiveKey, TunnelKey } from './tunnelKey.js';

export interface Start {
  readonly bootId: Uint8Array;
  readonly times: RotationTimes;
  readonly now: Moment;
}

/** The state with its instants as instants of this boot. The keys' secrets are taken over. */
export function resumeState(saved: RotationState, start: Start): RotationState {
  const { bootId, now } = start;
  const sameBoot = equalConstantTime(saved.bootId, bootId);
  const resume = (key: ActiveKey | null): ActiveKey | null => {
    if (key === null) return null;
    return sameBoot ? withinPeriod(key, start) : afterBoot(key, start);
  };
  const { next, reference } = saved;
  return {
    ...saved,
    bootId,
    reference: sameBoot ? reference : { wall: reference.wall, boot: now.boot },
    next: next === null || sameBoot ? next : madeBefore(next, now),
    current: resume(saved.current),
    previous: resume(saved.previous),
  };
}

/** The period may be shorter than when the key became current. */
function withinPeriod(key: ActiveKey, { times, now }: Start): ActiveKey {
  const { periodMs, overlapMs } = times;
  const dueAt = earlier(key.dueAt, after(now.boot, periodMs));
  return { ...key, dueAt, endsAt: earlier(key.endsAt, after(now.boot, periodMs + overlapMs)) };
}

/** Due at once: nobody knows for certain how long the device was off. */
function afterBoot(key: ActiveKey, { times, now }: Start): ActiveKey {
  const ageMs = now.wall - key.activatedWall;
  const known = ageMs >= 0 && ageMs <= CREDENTIAL_LIFETIME_MAX_MS;
  const leftMs = known ? times.periodMs + times.overlapMs - ageMs : times.overlapMs;
  const endsAt = after(now.boot, Math.min(Math.max(leftMs, 0), times.overlapMs));
  return { ...madeBefore(key, now), dueAt: now.boot, endsAt };
}

/** Boot time in another boot counts from the start. */
const madeBefore = <Key extends TunnelKey>(key: Key, now: Moment): Key => ({
  ...key,
  madeAt: { wall: key.madeAt.wall, boot: now.boot },
});
