// A peer's five timers. The rest of the code says what happened; when something is due, this says
// what is to be done. SPEC.md 5.2.
import { assertNever } from '../base/assert.js';
import type { Instant } from '../base/time.js';
import { after, earliest } from '../base/time.js';
import type { PeerActivity } from '../ports/dataPlane.js';
import {
  KEEPALIVE_TIMEOUT_MS,
  MAX_HANDSHAKE_RETRIES,
  NEW_HANDSHAKE_AFTER_MS,
  REKEY_TIMEOUT_MS,
  ZERO_KEYS_AFTER_MS,
} from '../session/limits.js';

export type TimerName =
  'retransmit' | 'keepalive' | 'newHandshake' | 'zeroKeys' | 'persistentKeepalive';

const NAMES: readonly TimerName[] = [
  'retransmit',
  'keepalive',
  'newHandshake',
  'zeroKeys',
  'persistentKeepalive',
];

/** What a timer that is due asks for. */
export type TimerAction =
  'retryHandshake' | 'giveUp' | 'sendKeepalive' | 'newHandshake' | 'zeroKeys';

export interface PeerTimersOptions {
  /** Milliseconds, 0 to 333, drawn anew for each timer that has jitter. */
  readonly jitterMs: () => number;
  /** Called after each change of `nextDeadline`. */
  readonly changed: () => void;
}

export class PeerTimers {
  readonly #jitterMs: () => number;
  readonly #changed: () => void;
  readonly #deadlines: Record<TimerName, Instant | null> = {
    retransmit: null,
    keepalive: null,
    newHandshake: null,
    zeroKeys: null,
    persistentKeepalive: null,
  };
  #running = false;
  #retries = 0;
  #anotherKeepalive = false;
  #persistentKeepaliveMs = 0;

  constructor(options: PeerTimersOptions) {
    this.#jitterMs = options.jitterMs;
    this.#changed = options.changed;
  }

  nextDeadline(): Instant | null {
    return NAMES.reduce<Instant | null>(
      (next, name) => earliest(next, this.#deadlines[name]),
      null,
    );
  }

  deadline(name: TimerName): Instant | null {
    return this.#deadlines[name];
  }

  /** Initiations sent after the first of this attempt. */
  get retries(): number {
    return this.#retries;
  }

  /** An initiation was sent, and neither answered nor given up. */
  get handshakePending(): boolean {
    return this.#deadlines.retransmit !== null;
  }

  /** The link came up. */
  started(at: Instant): void {
    this.#running = true;
    this.#setPersistentKeepalive(at);
  }

  /** The link went down. */
  stopped(): void {
    this.#running = false;
    this.#retries = 0;
    this.#anotherKeepalive = false;
    for (const name of NAMES) this.#deadlines[name] = null;
    this.#changed();
  }

  /** 0 switches it off. */
  persistentKeepaliveChanged(intervalMs: number, at: Instant): void {
    if (intervalMs === this.#persistentKeepaliveMs) return;
    this.#persistentKeepaliveMs = intervalMs;
    this.#setPersistentKeepalive(at);
  }

  /** Takes a report as the events that it holds, in the order of the times. */
  report(activity: PeerActivity): void {
    const { authenticatedReceivedAt, dataReceivedAt, authenticatedSentAt, dataSentAt } = activity;
    const events: { at: Instant; apply: (at: Instant) => void }[] = [];
    const add = (at: Instant | null, apply: (at: Instant) => void): void => {
      if (at !== null) events.push({ at, apply });
    };
    add(authenticatedReceivedAt, (at) => this.authenticatedReceived(at));
    add(dataReceivedAt, (at) => this.dataReceived(at));
    add(authenticatedSentAt, (at) => this.authenticatedSent(at));
    add(dataSentAt, (at) => this.dataSent(at));
    events.sort((a, b) => a.at - b.at);
    for (const { at, apply } of events) apply(at);
  }

  /** A packet with content was sent. */
  dataSent(at: Instant): void {
    if (this.#deadlines.newHandshake !== null) return;
    this.#set('newHandshake', after(at, NEW_HANDSHAKE_AFTER_MS + this.#jitterMs()));
  }

  /** A packet with content arrived. */
  dataReceived(at: Instant): void {
    if (this.#deadlines.keepalive !== null) this.#anotherKeepalive = true;
    else this.#set('keepalive', after(at, KEEPALIVE_TIMEOUT_MS));
  }

  /** Any sealed packet, an initiation or a response was sent. */
  authenticatedSent(at: Instant): void {
    this.#set('keepalive', null);
    this.#setPersistentKeepalive(at);
  }

  /** Any authentic packet, initiation or response arrived. */
  authenticatedReceived(at: Instant): void {
    this.#set('newHandshake', null);
    this.#setPersistentKeepalive(at);
  }

  /** A handshake was asked for, other than by the retransmit timer. */
  handshakeRequested(): void {
    this.#retries = 0;
  }

  /** An initiation was sent. */
  handshakeInitiated(at: Instant): void {
    this.#set('retransmit', after(at, REKEY_TIMEOUT_MS + this.#jitterMs()));
  }

  /** An initiation must wait until `at`, when enough time has passed since the last message. */
  handshakePutOff(at: Instant): void {
    if (this.#deadlines.retransmit === null) this.#set('retransmit', after(at, this.#jitterMs()));
  }

  /** The response came, or the first packet under a session that we answered. */
  handshakeCompleted(): void {
    this.#retries = 0;
    this.#set('retransmit', null);
  }

  /** Keys were made: a response was sent or consumed. */
  sessionDerived(at: Instant): void {
    this.#set('zeroKeys', after(at, ZERO_KEYS_AFTER_MS));
  }

  /** Stops the earliest timer that is due and says what it asks for; null if none is due. */
  expire(now: Instant): TimerAction | null {
    const due = this.nextDeadline();
    if (due === null || due > now) return null;
    const name = NAMES.find((candidate) => this.#deadlines[candidate] === due)!;
    this.#set(name, null);
    switch (name) {
      case 'retransmit':
        return this.#retransmitExpired(now);
      case 'keepalive':
        return this.#keepaliveExpired(now);
      case 'newHandshake':
        return 'newHandshake';
      case 'zeroKeys':
        return 'zeroKeys';
      case 'persistentKeepalive':
        this.#setPersistentKeepalive(now);
        return 'sendKeepalive';
      default:
        return assertNever(name);
    }
  }

  #retransmitExpired(now: Instant): TimerAction {
    if (this.#retries <= MAX_HANDSHAKE_RETRIES) {
      this.#retries++;
      return 'retryHandshake';
    }
    this.#set('keepalive', null);
    if (this.#deadlines.zeroKeys === null) this.#set('zeroKeys', after(now, ZERO_KEYS_AFTER_MS));
    return 'giveUp';
  }

  #keepaliveExpired(now: Instant): TimerAction {
    if (this.#anotherKeepalive) {
      this.#anotherKeepalive = false;
      this.#set('keepalive', after(now, KEEPALIVE_TIMEOUT_MS));
    }
    return 'sendKeepalive';
  }

  #setPersistentKeepalive(at: Instant): void {
    const intervalMs = this.#persistentKeepaliveMs;
    this.#set('persistentKeepalive', intervalMs === 0 ? null : after(at, intervalMs));
  }

  #set(name: TimerName, deadline: Instant | null): void {
    if (!this.#running || this.#deadlines[name] === deadline) return;
    this.#deadlines[name] = deadline;
    this.#changed();
  }
}
