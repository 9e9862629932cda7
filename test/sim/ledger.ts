// Every session that any agent ever had, and what must hold of keys and counters.
import { toHex } from '../../src/base/bytes.js';
import type { PeerId, SessionKeys } from '../../src/ports/dataPlane.js';
import { REJECT_AFTER_TIME_MS, ZERO_KEYS_AFTER_MS } from '../../src/session/limits.js';
import { must } from './violation.js';

/** One run of an agent, from start to crash. */
export interface Incarnation {
  readonly agent: string;
  /** Whose agent's key the peer in this slot has; null if the slot is empty. */
  readonly agentInSlot: (slot: PeerId) => string | null;
}

export interface SessionRecord {
  readonly owner: Incarnation;
  readonly slot: PeerId;
  readonly role: SessionKeys['role'];
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: string;
  readonly receiveKey: string;
  readonly createdAt: number;
  alive: boolean;
  nextCounter: bigint;
}

const place = (session: SessionRecord): string =>
  `${session.owner.agent} slot ${session.slot} index ${session.localIndex.toString(16)}`;

export class Ledger {
  readonly #senders = new Map<string, SessionRecord>();
  readonly #receivers = new Map<string, SessionRecord>();
  readonly #living = new Map<Incarnation, Set<SessionRecord>>();
  /** Initiations that a run answered, by slot and the initiator's index. */
  readonly #answered = new Map<Incarnation, Map<PeerId, Set<number>>>();
  readonly #secrets = new Set<string>();
  #sessions = 0;

  /** Sessions installed so far. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Session keys in hex, all that ever were. */
  get keys(): ReadonlySet<string> {
    return this.#secrets;
  }

  installed(owner: Incarnation, keys: SessionKeys): void {
    const session: SessionRecord = {
      owner,
      slot: keys.peer,
      role: keys.role,
      localIndex: keys.localIndex,
      remoteIndex: keys.remoteIndex,
      sendKey: toHex(keys.sendKey),
      receiveKey: toHex(keys.receiveKey),
      createdAt: keys.createdAt,
      alive: true,
      nextCounter: 0n,
    };
    const { sendKey, receiveKey } = session;
    must(sendKey !== receiveKey, () => `${place(session)}: one key for both directions`);
    must(!this.#senders.has(sendKey), () => `${place(session)}: a sending key came twice`);
    must(!this.#receivers.has(receiveKey), () => `${place(session)}: a receiving key came twice`);
    must(
      this.byLocalIndex(owner, keys.localIndex) === null,
      () => `${place(session)}: the index is in use`,
    );
    if (session.role === 'initiator') this.#checkCounterpart(session);
    else this.#checkAnsweredOnce(session);
    this.#senders.set(sendKey, session);
    this.#receivers.set(receiveKey, session);
    this.#secrets.add(sendKey).add(receiveKey);
    this.#sessions++;
    const living = this.#living.get(owner) ?? new Set();
    this.#living.set(owner, living.add(session));
  }

  /** The responder was there before, with the same keys, and each is what the other thinks. */
  #checkCounterpart(session: SessionRecord): void {
    const other = this.#receivers.get(session.sendKey);
    must(other !== undefined, () => `${place(session)}: nobody can read what it will send`);
    must(
      other.role === 'responder' &&
        other.sendKey === session.receiveKey &&
        other.localIndex === session.remoteIndex &&
        other.remoteIndex === session.localIndex,
      () => `${place(session)}: keys or indices differ from ${place(other)}`,
    );
    must(
      session.owner.agentInSlot(session.slot) === other.owner.agent,
      () => `${place(session)}: the session is with ${other.owner.agent}`,
    );
  }

  /** An initiation that comes again is a replay: it must not make another session. */
  #checkAnsweredOnce(session: SessionRecord): void {
    const slots = this.#answered.get(session.owner) ?? new Map<PeerId, Set<number>>();
    this.#answered.set(session.owner, slots);
    const answered = slots.get(session.slot) ?? new Set();
    slots.set(session.slot, answered);
    must(
      !answered.has(session.remoteIndex),
      () => `${place(session)}: an initiation was answered twice`,
    );
    answered.add(session.remoteIndex);
  }

  /** The peer's sessions are gone, and with them what it has sent. */
  peerRemoved(owner: Incarnation, slot: PeerId): void {
    this.dropped(owner, (session) => session.slot === slot);
    this.#answered.get(owner)?.delete(slot);
  }

  /** An engine sends a transport datagram. */
  sent(owner: Incarnation, receiver: number, counter: bigint, nowMs: number): void {
    const session = this.#find(owner, (candidate) => candidate.remoteIndex === receiver);
    must(session !== null, () => `${owner.agent} sends under a session that it does not have`);
    must(
      counter === session.nextCounter,
      () => `${place(session)}: counter ${counter} instead of ${session.nextCounter}`,
    );
    session.nextCounter++;
    must(
      nowMs - session.createdAt < REJECT_AFTER_TIME_MS,
      () => `${place(session)}: sends at an age of ${nowMs - session.createdAt} ms`,
    );
    must(
      session.role === 'initiator' || this.#senders.has(session.receiveKey),
      () => `${place(session)}: sends before the initiator has shown its keys`,
    );
  }

  /** An engine accepted a packet under the session with this index. */
  accepted(owner: Incarnation, localIndex: number, nowMs: number): SessionRecord {
    const session = this.byLocalIndex(owner, localIndex);
    must(session !== null, () => `${owner.agent} accepts a packet without a living session`);
    must(
      nowMs - session.createdAt < REJECT_AFTER_TIME_MS,
      () => `${place(session)}: accepts at an age of ${nowMs - session.createdAt} ms`,
    );
    return session;
  }

  byLocalIndex(owner: Incarnation, localIndex: number): SessionRecord | null {
    return this.#find(owner, (session) => session.localIndex === localIndex);
  }

  #find(owner: Incarnation, matches: (session: SessionRecord) => boolean): SessionRecord | null {
    for (const session of this.#living.get(owner) ?? []) if (matches(session)) return session;
    return null;
  }

  dropped(owner: Incarnation, matches: (session: SessionRecord) => boolean): void {
    const living = this.#living.get(owner);
    for (const session of living ?? []) {
      if (!matches(session)) continue;
      session.alive = false;
      living!.delete(session);
    }
  }

  ended(owner: Incarnation): void {
    this.dropped(owner, () => true);
    this.#living.delete(owner);
    this.#answered.delete(owner);
  }

  /** Three sessions per peer at most, and none when nothing was derived for 540 s. */
  checkHeld(owner: Incarnation, nowMs: number): void {
    const bySlot = new Map<PeerId, SessionRecord[]>();
    for (const session of this.#living.get(owner) ?? []) {
      bySlot.set(session.slot, [...(bySlot.get(session.slot) ?? []), session]);
    }
    for (const sessions of bySlot.values()) {
      must(sessions.length <= 3, () => `${place(sessions[0]!)}: ${sessions.length} sessions`);
      const youngestMs = nowMs - Math.max(...sessions.map(({ createdAt }) => createdAt));
      must(
        youngestMs <= ZERO_KEYS_AFTER_MS,
        () => `${place(sessions[0]!)}: keys kept ${youngestMs} ms after the last were derived`,
      );
    }
  }
}
