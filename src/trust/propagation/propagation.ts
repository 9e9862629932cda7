// Asks admitted peers for what this agent lacks, one question at a time for each. SPEC.md 12.10.
import type { Machine } from '../../base/machine.js';
import { after, earliest, type Instant, type Moment, type WallTime } from '../../base/time.js';
import type { Did } from '../opinion.js';
import { verifyStatement, type VerifiedStatement } from '../statement/signedStatement.js';
import {
  HOPS_MAX,
  IDS_MAX,
  readAnswer,
  type BucketsAnswer,
  type DigestAnswer,
  type Query,
  type ShortId,
  type StatementsAnswer,
} from './messages.js';
import { EMPTY_BUCKET_HASH, shortId, type Replica } from './replica.js';

export const ASK_EVERY_MS = 30_000;
export const NUDGE_DELAY_MS = 100;
export const NUDGE_INTERVAL_MS = 1_000;
export const ANSWER_TIMEOUT_MS = 10_000;
export const FIRST_RETRY_MS = 2_000;
export const LAST_RETRY_MS = 300_000;
export const MISBEHAVED_MS = 600_000;
export const BYTES_PER_MINUTE = 1024 * 1024;
const MINUTE_MS = 60_000;

export type PropagationEvent =
  | { readonly kind: 'peerAdmitted'; readonly peer: Did }
  | { readonly kind: 'peerLeft'; readonly peer: Did }
  | { readonly kind: 'nudged'; readonly peer: Did }
  /** `text` is what came; at most ANSWER_TEXT_BYTES_MAX of it are read by the carriage. */
  | {
      readonly kind: 'answered';
      readonly peer: Did;
      readonly request: number;
      readonly text: string;
    }
  | { readonly kind: 'failed'; readonly peer: Did; readonly request: number }
  /** The agent itself has added statements to the replica. */
  | { readonly kind: 'statementsMade' };

export type PropagationEffect =
  | { readonly kind: 'ask'; readonly peer: Did; readonly request: number; readonly query: Query }
  | { readonly kind: 'nudge'; readonly peer: Did }
  | { readonly kind: 'learned'; readonly statements: readonly VerifiedStatement[] }
  | { readonly kind: 'misbehaved'; readonly peer: Did; readonly what: Misbehaviour };

export type Misbehaviour = 'malformedAnswer' | 'unaskedStatement' | 'badStatement';

/** The longest answer, a list of a whole store. A carriage stops reading there and reports `failed`. */
export const ANSWER_TEXT_BYTES_MAX = 1024 * 1024;

interface Asked {
  readonly request: number;
  readonly query: Query;
  readonly deadline: Instant;
}

interface PeerState {
  /** Null while nothing is asked. */
  asked: Asked | null;
  askAt: Instant;
  lastAskedAt: Instant | null;
  /** It has nudged while a question was open, whose answer may be older than the nudge. */
  nudged: boolean;
  failures: number;
  /** Hashes of its buckets that were dealt with. */
  readonly dealtWith: Map<number, string>;
  lastRoot: string | null;
  buckets: { readonly bucket: number; readonly hash: string }[];
  /** Of the lists that came last. */
  missing: Set<ShortId>;
  /** Answers taken since `minuteBegan`. */
  bytes: number;
  minuteBegan: Instant;
}

export interface PropagationOptions {
  readonly replica: Replica;
  /** 0 to 3,000, drawn anew for each question. */
  readonly jitterMs: () => number;
}

export class Propagation implements Machine<PropagationEvent, PropagationEffect> {
  readonly #replica: Replica;
  readonly #jitterMs: () => number;
  readonly #peers = new Map<Did, PeerState>();
  #requests = 0;

  constructor({ replica, jitterMs }: PropagationOptions) {
    this.#replica = replica;
    this.#jitterMs = jitterMs;
  }

  handle(event: PropagationEvent, now: Moment): PropagationEffect[] {
    if (event.kind === 'statementsMade') return this.#nudgeAll(null);
    if (event.kind === 'peerAdmitted') {
      if (!this.#peers.has(event.peer)) this.#peers.set(event.peer, newPeer(now.boot));
      return [];
    }
    const peer = this.#peers.get(event.peer);
    if (peer === undefined) return [];
    switch (event.kind) {
      case 'peerLeft':
        this.#peers.delete(event.peer);
        return [];
      case 'nudged':
        nudged(peer, now.boot);
        return [];
      case 'answered':
        if (peer.asked?.request !== event.request) return [];
        return this.#answered(event.peer, peer, event.text, now);
      case 'failed':
        if (peer.asked?.request === event.request) failed(peer, now.boot);
        return [];
    }
  }

  nextTimeout(): Instant | null {
    let next: Instant | null = null;
    for (const { asked, askAt } of this.#peers.values()) {
      next = earliest(next, asked === null ? askAt : asked.deadline);
    }
    return next;
  }

  handleTimeout({ boot }: Moment): PropagationEffect[] {
    const effects: PropagationEffect[] = [];
    for (const [did, peer] of this.#peers) {
      if (peer.asked !== null && peer.asked.deadline <= boot) failed(peer, boot);
      if (peer.asked === null && peer.askAt <= boot) effects.push(this.#ask(did, peer, boot));
    }
    return effects;
  }

  #ask(did: Did, peer: PeerState, now: Instant): PropagationEffect {
    const query = this.#nextQuery(peer);
    const request = ++this.#requests;
    peer.asked = { request, query, deadline: after(now, ANSWER_TIMEOUT_MS) };
    peer.lastAskedAt = now;
    return { kind: 'ask', peer: did, request, query };
  }

  #nextQuery(peer: PeerState): Query {
    const ids = [...peer.missing].filter((id) => !this.#replica.has(id)).slice(0, IDS_MAX);
    if (ids.length > 0) return { kind: 'statements', ids };
    peer.missing.clear();
    if (peer.buckets.length > 0) {
      return { kind: 'buckets', buckets: peer.buckets.map(({ bucket }) => bucket) };
    }
    return { kind: 'digest', root: peer.lastRoot ?? this.#replica.root };
  }

  #answered(did: Did, peer: PeerState, text: string, now: Moment): PropagationEffect[] {
    const { query } = peer.asked!;
    peer.asked = null;
    const answer = readAnswer(query, text);
    if (answer === null) return misbehaved(did, peer, 'malformedAnswer', now.boot);
    peer.failures = 0;
    const effects: PropagationEffect[] = [];
    if (answer.kind === 'digest') this.#takeDigest(peer, answer);
    if (answer.kind === 'buckets') this.#takeBuckets(peer, answer);
    if (answer.kind === 'statements' && query.kind === 'statements') {
      const taken = this.#takeStatements(did, peer, { asked: query.ids, answer, now: now.wall });
      if (taken.misbehaviour !== null) {
        effects.push(...misbehaved(did, peer, taken.misbehaviour, now.boot));
      }
      if (taken.learned.length > 0) {
        effects.push({ kind: 'learned', statements: taken.learned }, ...this.#nudgeAll(did));
      }
      if (taken.misbehaviour !== null) return effects;
    }
    this.#plan(peer, text.length, now.boot);
    return effects;
  }

  /** When to ask next: at once while something is missing and the minute's bytes last. */
  #plan(peer: PeerState, bytes: number, now: Instant): void {
    if (now - peer.minuteBegan >= MINUTE_MS) {
      peer.minuteBegan = now;
      peer.bytes = 0;
    }
    peer.bytes += bytes;
    const more = peer.missing.size > 0 || peer.buckets.length > 0;
    if (!more) {
      peer.askAt = after(now, ASK_EVERY_MS + this.#jitterMs());
      if (peer.nudged) askSoon(peer, now);
      peer.nudged = false;
    } else peer.askAt = peer.bytes < BYTES_PER_MINUTE ? now : after(peer.minuteBegan, MINUTE_MS);
  }

  #takeDigest(peer: PeerState, { root, buckets }: DigestAnswer): void {
    peer.lastRoot = root;
    if (buckets === null) return;
    const own = this.#replica.bucketHashes();
    peer.buckets = buckets
      .map((hash, bucket) => ({ bucket, hash }))
      .filter(
        ({ bucket, hash }) =>
          hash !== own[bucket] && hash !== peer.dealtWith.get(bucket) && hash !== EMPTY_BUCKET_HASH,
      );
  }

  #takeBuckets(peer: PeerState, { entries }: BucketsAnswer): void {
    for (const { bucket, hash } of peer.buckets) peer.dealtWith.set(bucket, hash);
    peer.buckets = [];
    for (const [id, hops] of entries) {
      if (hops < HOPS_MAX && !this.#replica.has(id)) peer.missing.add(id);
    }
  }

  #takeStatements(did: Did, peer: PeerState, batch: Batch): Taken {
    const asked = new Set(batch.asked);
    const received = new Set<ShortId>();
    const learned: VerifiedStatement[] = [];
    let misbehaviour: Misbehaviour | null = null;
    for (const [hops, text] of batch.answer.statements) {
      const verdict = verifyStatement(text, batch.now);
      if (verdict.kind === 'refused') {
        if (verdict.reason === 'expired' || verdict.reason === 'fromTheFuture') continue;
        misbehaviour = 'badStatement';
        break;
      }
      const { statement } = verdict;
      received.add(shortId(statement.id));
      if (!asked.has(shortId(statement.id)) || hops >= HOPS_MAX) {
        misbehaviour = 'unaskedStatement';
        break;
      }
      const outcome = this.#replica.add(statement, { carrier: did, hops: hops + 1 });
      if (outcome.kind === 'added') learned.push(statement);
    }
    // What didn't fit is asked for again; what it doesn't have any more, or what was useless, isn't.
    for (const id of batch.asked) {
      if (received.size === 0 || received.has(id)) peer.missing.delete(id);
    }
    return { learned, misbehaviour };
  }

  #nudgeAll(except: Did | null): PropagationEffect[] {
    const others = [...this.#peers.keys()].filter((peer) => peer !== except);
    return others.map((peer) => ({ kind: 'nudge', peer }));
  }
}

interface Batch {
  readonly asked: readonly ShortId[];
  readonly answer: StatementsAnswer;
  readonly now: WallTime;
}

interface Taken {
  readonly learned: readonly VerifiedStatement[];
  readonly misbehaviour: Misbehaviour | null;
}

const newPeer = (now: Instant): PeerState => ({
  asked: null,
  askAt: now,
  lastAskedAt: null,
  nudged: false,
  failures: 0,
  dealtWith: new Map(),
  lastRoot: null,
  buckets: [],
  missing: new Set(),
  bytes: 0,
  minuteBegan: now,
});

/** Unless it has failed or misbehaved. */
function nudged(peer: PeerState, now: Instant): void {
  if (peer.failures > 0) return;
  if (peer.asked === null) askSoon(peer, now);
  else peer.nudged = true;
}

/** Sooner than planned, but not twice within NUDGE_INTERVAL_MS. */
function askSoon(peer: PeerState, now: Instant): void {
  const soon = after(now, NUDGE_DELAY_MS);
  const allowed = peer.lastAskedAt === null ? soon : after(peer.lastAskedAt, NUDGE_INTERVAL_MS);
  const at = soon > allowed ? soon : allowed;
  if (at < peer.askAt) peer.askAt = at;
}

function failed(peer: PeerState, now: Instant): void {
  peer.asked = null;
  const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** peer.failures);
  peer.failures++;
  peer.askAt = after(now, delay);
}

function misbehaved(
  did: Did,
  peer: PeerState,
  what: Misbehaviour,
  now: Instant,
): PropagationEffect[] {
  peer.asked = null;
  peer.failures++;
  peer.buckets = [];
  peer.missing = new Set();
  peer.lastRoot = null;
  peer.askAt = after(now, MISBEHAVED_MS);
  return [{ kind: 'misbehaved', peer: did, what }];
}
