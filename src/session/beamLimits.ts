// What a Beam session may do: WireGuard's times, and on top of them the limits of its AEAD. SPEC.md
// 11.12; sources: RFC 9001 section 6.6 and appendix B, draft-irtf-cfrg-aead-limits.
import type { SessionLimits, Suite } from '../ports/dataPlane.js';
import { REJECT_AFTER_TIME_MS, wireGuardLimits } from './limits.js';

/** Blocks that AES-GCM may encrypt under one key at an advantage of 2^-57, over all packets. */
const GCM_BLOCKS = 2n ** 35n;
const GCM_BLOCK_BYTES = 16;
/** However small the packets are. */
const GCM_MAX_PACKETS = 2n ** 28n;

/** Datagrams that fail to open, after which a key would have to go. */
export const MAX_FAILED_OPENS: Readonly<Record<Suite, bigint>> = {
  'aes-256-gcm': 2n ** 52n,
  'chacha20-poly1305': 2n ** 36n,
};

/** Failed opens a second for which a session's 180 s are too long. */
export const failedOpensPerSecond = (suite: Suite): number =>
  Number(MAX_FAILED_OPENS[suite]) / (REJECT_AFTER_TIME_MS / 1000);

/** `largestPacketBytes` is that of what is sealed: the MTU, at most 65,535. */
export function beamLimits(session: {
  readonly role: 'initiator' | 'responder';
  readonly suite: Suite;
  readonly largestPacketBytes: number;
}): SessionLimits {
  const limits = wireGuardLimits(session.role);
  if (session.suite !== 'aes-256-gcm') return limits;
  const blocks = BigInt(Math.max(1, Math.ceil(session.largestPacketBytes / GCM_BLOCK_BYTES)));
  const byBlocks = GCM_BLOCKS / blocks;
  const packets = byBlocks < GCM_MAX_PACKETS ? byBlocks : GCM_MAX_PACKETS;
  return {
    ...limits,
    rekeyAfterMessages: packets - packets / 8n,
    rejectAfterMessages: packets,
  };
}
