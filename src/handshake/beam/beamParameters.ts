// The numbers that Beam's handshake chose for itself (SPEC.md 11.1). fragments' are in reassembly.ts.

/** Before a message is sent again for the first, second, … time; the last one repeats. */
export const RETRANSMIT_DELAYS_MS = [500, 1000, 2000, 4000] as const;
/** As much of a delay as chance adds, at most. */
export const RETRANSMIT_JITTER = 1 / 4;
/** As WireGuard's REKEY_ATTEMPT_TIME. */
export const ATTEMPT_MS = 90_000;
/** For signing, for the welcome to come, and for admission at the initiator. */
export const FINISH_PHASE_MS = 15_000;
/** A handshake at the responder, from its hello on. */
export const RESPONSE_MS = 30_000;

export const RESPONSE_LIMITS = { handshakes: 1024, perSource: 16 } as const;
