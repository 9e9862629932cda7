// The rotation of the pre-shared key between two Beams in WireGuard mode: both accept old and new
// until both are known to have switched. SPEC.md 10.45.
import { assert, assertNever } from '../base/assert.js';
import type { Machine } from '../base/machine.js';
import type { Secret } from '../base/secret.js';
import type { Instant, Moment } from '../base/time.js';
import { after, earliest } from '../base/time.js';
import { backOffMs, PRESHARED_KEY_GRACE_MS, PRESHARED_KEYS_MAX } from './limits.js';
import {
  decodePresharedKeyMessage,
  encodeHave,
  encodeLacks,
  hasRightTag,
} from './presharedKeyMessage.js';
import type { SavedPresharedKey } from './presharedKeyState.js';
import { encodePresharedKeys } from './presharedKeyState.js';
import type { Version } from './writes.js';
import { Writes } from './writes.js';

export interface PresharedKeysOptions {
  /** Static public keys, 32 bytes each. */
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  /**
   * As stored last, or the configured key as generation 0 that the peer has and has switched to. The
   * machine takes the secrets over.
   */
  readonly keys: readonly SavedPresharedKey[];
}

export type PresharedKeysEvent =
  /** The first event, once. */
  | { readonly kind: 'started' }
  /** The exchange ended on this side. The machine takes the secret over, 32 bytes. */
  | { readonly kind: 'secretAgreed'; readonly generation: bigint; readonly key: Secret }
  /** From the peer, out of the tunnel. */
  | { readonly kind: 'messageReceived'; readonly bytes: Uint8Array }
  | { readonly kind: 'stored'; readonly write: number }
  | { readonly kind: 'storeFailed'; readonly write: number };

export type PresharedKeysRefusal =
  'malformed' | 'unknownGeneration' | 'wrongTag' | 'oldGeneration' | 'tooManyKeys';

export type PresharedKeysTransition =
  | 'added'
  /** Written: accepted from now on in responses of the peer. */
  | 'accepted'
  /** This side responds with it. */
  | 'switched'
  | 'peerSwitched'
  | 'dropped';

export type PresharedKeysEffect =
  /** In the order of the effects. Whoever takes it destroys `value` when it is written. */
  | { readonly kind: 'store'; readonly write: number; readonly value: Secret }
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /**
   * The initiator tries `accept` on a response, the newest first; the responder uses `respond`. Lent
   * until the next call; those not in the list any more are destroyed already.
   */
  | { readonly kind: 'useKeys'; readonly accept: readonly Secret[]; readonly respond: Secret }
  | { readonly kind: 'refused'; readonly reason: PresharedKeysRefusal }
  | { readonly kind: 'alert'; readonly alert: 'store' | 'pskStuck'; readonly raised: boolean }
  | {
      readonly kind: 'transition';
      readonly transition: PresharedKeysTransition;
      readonly generation: bigint;
    };

/** A fact, and since which version of the list it stands there; null if it isn't so. */
type Since = Version | null;

interface Entry {
  readonly generation: bigint;
  readonly key: Secret;
  readonly added: Version;
  peerHas: Since;
  peerSwitched: Since;
  /** What has been reported, so that each is reported once. */
  reported: Set<PresharedKeysTransition>;
  /** Messages sent, and when the next one is; null before the first and after the last. */
  sent: number;
  sendAt: Instant | null;
  /** The peer waits for a message. */
  answerDue: boolean;
  dropLowerAt: Instant | null;
}

export class PresharedKeys implements Machine<PresharedKeysEvent, PresharedKeysEffect> {
  readonly #options: PresharedKeysOptions;
  readonly #writes = new Writes();
  readonly #alerts = new Set<string>();
  #effects: PresharedKeysEffect[] = [];
  #entries: Entry[];
  #shown = '';

  constructor(options: PresharedKeysOptions) {
    const [first] = options.keys;
    assert(first?.peerHas === true, 'the first key is one that both ends have');
    this.#options = options;
    this.#entries = options.keys.map((saved) => ({
      generation: saved.generation,
      key: saved.key,
      added: 0,
      peerHas: saved.peerHas ? 0 : null,
      peerSwitched: saved.peerSwitched ? 0 : null,
      reported: new Set(['added']),
      sent: 0,
      sendAt: null,
      answerDue: false,
      dropLowerAt: null,
    }));
  }

  /** Never throws on what a peer or a store does. */
  handle(event: PresharedKeysEvent, now: Moment): PresharedKeysEffect[] {
    switch (event.kind) {
      case 'started':
        break;
      case 'secretAgreed':
        this.#secretAgreed(event.generation, event.key);
        break;
      case 'messageReceived':
        this.#received(event.bytes);
        break;
      case 'stored':
        this.#writes.ended(event.write, 'stored', now.boot);
        break;
      case 'storeFailed':
        this.#writes.ended(event.write, 'failed', now.boot);
        break;
      default:
        return assertNever(event);
    }
    return this.#advance(now);
  }

  handleTimeout(now: Moment): PresharedKeysEffect[] {
    return this.#advance(now);
  }

  nextTimeout(): Instant | null {
    return this.#entries.reduce<Instant | null>(
      (next, { sendAt, dropLowerAt }) => earliest(next, earliest(sendAt, dropLowerAt)),
      this.#writes.nextTimeout(),
    );
  }

  /** The generation that this side responds with. */
  get responding(): bigint {
    return this.#respond().generation;
  }

  /** Zeroes every key. The machine must not be used any more. */
  destroy(): void {
    for (const { key } of this.#entries) key.destroy();
  }

  #secretAgreed(generation: bigint, key: Secret): void {
    const newest = this.#entries.at(-1)!;
    const full = this.#entries.length >= PRESHARED_KEYS_MAX;
    if (generation <= newest.generation || full) {
      key.destroy();
      if (full) this.#alert('pskStuck', true);
      this.#refuse(full ? 'tooManyKeys' : 'oldGeneration');
      return;
    }
    this.#entries.push({
      generation,
      key,
      added: this.#writes.changed(),
      peerHas: null,
      peerSwitched: null,
      reported: new Set(),
      sent: 0,
      sendAt: null,
      answerDue: false,
      dropLowerAt: null,
    });
    this.#report(this.#entries.at(-1)!, 'added');
  }

  #received(bytes: Uint8Array): void {
    const message = decodePresharedKeyMessage(bytes);
    if (message === null) {
      this.#refuse('malformed');
      return;
    }
    const { generation } = message;
    const entry = this.#entries.find((one) => one.generation === generation);
    if (message.kind === 'lacks') {
      if (entry?.peerHas === null) this.#drop([entry]);
      return;
    }
    if (entry === undefined) {
      this.#lacking(generation);
      return;
    }
    if (!hasRightTag(bytes, entry.key, this.#options.remote)) {
      this.#effects.push({ kind: 'send', bytes: encodeLacks(generation) });
      this.#refuse('wrongTag');
      return;
    }
    entry.peerHas ??= this.#writes.changed();
    if (message.knows) entry.peerSwitched ??= this.#writes.changed();
    if (!message.done) entry.answerDue = true;
  }

  /** Below a generation that is on the disk, none is ever added. */
  #lacking(generation: bigint): void {
    const isPast = this.#entries.some(
      (one) => one.generation > generation && this.#isDurable(one.added),
    );
    if (isPast) this.#effects.push({ kind: 'send', bytes: encodeLacks(generation) });
    this.#refuse('unknownGeneration');
  }

  #advance(now: Moment): PresharedKeysEffect[] {
    this.#writes.expire(now.boot);
    for (const entry of [...this.#entries]) this.#advanceEntry(entry, now.boot);
    const write = this.#writes.begin(now.boot);
    this.#alert('store', this.#writes.failing);
    if (write !== null) {
      this.#effects.push({ kind: 'store', write, value: encodePresharedKeys(this.#saved()) });
    }
    this.#showUse();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #saved(): SavedPresharedKey[] {
    return this.#entries.map(({ generation, key, peerHas, peerSwitched }) => ({
      generation,
      key,
      peerHas: peerHas !== null,
      peerSwitched: peerSwitched !== null,
    }));
  }

  /** All that follows from what is on the disk. */
  #advanceEntry(entry: Entry, now: Instant): void {
    if (!this.#isDurable(entry.added)) return;
    this.#report(entry, 'accepted');
    if (this.#isDurable(entry.peerSwitched)) this.#peerSwitched(entry, now);
    else if (entry.sendAt === null || entry.sendAt <= now) {
      entry.sent++;
      entry.sendAt = after(now, backOffMs(entry.sent));
      this.#send(entry);
    }
    // What the answer says must be on the disk before it is said.
    const settled = entry.peerHas === null || this.#isDurable(entry.peerHas);
    if (entry.answerDue && settled) this.#send(entry);
  }

  #peerSwitched(entry: Entry, now: Instant): void {
    this.#report(entry, 'peerSwitched');
    entry.sendAt = null;
    const lower = this.#entries.filter(({ generation }) => generation < entry.generation);
    if (lower.length === 0) return;
    entry.dropLowerAt ??= after(now, PRESHARED_KEY_GRACE_MS);
    if (entry.dropLowerAt > now) return;
    entry.dropLowerAt = null;
    this.#drop(lower);
  }

  #drop(entries: readonly Entry[]): void {
    for (const { key } of entries) key.destroy();
    this.#entries = this.#entries.filter((one) => !entries.includes(one));
    this.#writes.changed();
    this.#alert('pskStuck', false);
    for (const one of entries) this.#report(one, 'dropped');
  }

  #send(entry: Entry): void {
    const { generation, key, peerHas, peerSwitched } = entry;
    const have = {
      generation,
      knows: this.#isDurable(peerHas),
      done: this.#isDurable(peerSwitched),
    };
    if (peerHas === null || have.knows) entry.answerDue = false;
    this.#effects.push({ kind: 'send', bytes: encodeHave(have, key, this.#options.local) });
  }

  #respond(): Entry {
    return this.#entries.findLast(({ peerHas }) => this.#isDurable(peerHas))!;
  }

  #showUse(): void {
    const accepted = this.#entries.filter(({ added }) => this.#isDurable(added)).reverse();
    const respond = this.#respond();
    const shown = [respond, ...accepted].map(({ generation }) => generation).join(' ');
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#report(respond, 'switched');
    const accept = accepted.map(({ key }) => key);
    this.#effects.push({ kind: 'useKeys', accept, respond: respond.key });
  }

  #isDurable(since: Since): boolean {
    return since !== null && this.#writes.isDurable(since);
  }

  #refuse(reason: PresharedKeysRefusal): void {
    this.#effects.push({ kind: 'refused', reason });
  }

  #alert(alert: 'store' | 'pskStuck', raised: boolean): void {
    if (this.#alerts.has(alert) === raised) return;
    if (raised) this.#alerts.add(alert);
    else this.#alerts.delete(alert);
    this.#effects.push({ kind: 'alert', alert, raised });
  }

  #report(entry: Entry, transition: PresharedKeysTransition): void {
    if (entry.reported.has(transition)) return;
    entry.reported.add(transition);
    this.#effects.push({ kind: 'transition', transition, generation: entry.generation });
  }
}
