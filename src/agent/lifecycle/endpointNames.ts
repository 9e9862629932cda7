// Keeps the endpoints of peers that have host names: which name is looked up when, and which of its
// addresses is tried. A machine: told the time and how the peers do. SPEC.md 8.9.
import { assertNever } from '../../base/assert.js';
import type { Endpoint } from '../../base/ip.js';
import type { Machine } from '../../base/machine.js';
import {
  after,
  earliest,
  instant,
  type Instant,
  type Moment,
  type WallTime,
} from '../../base/time.js';
import type { PeerLiveness } from './tunnelControl.js';

export interface NamedPeer {
  /** The public key in base64. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface EndpointNamesSettings {
  readonly peers: readonly NamedPeer[];
  /** Addresses that are known already, by peer; the first of them is in use. */
  readonly known: ReadonlyMap<string, readonly Endpoint[]>;
  /** Between look-ups while a peer is silent; 0: only until the first answer. */
  readonly intervalMs: number;
  /** Quick attempts before the first answer, after the first one; Infinity for no end. */
  readonly startRetries: number;
}

export type EndpointNamesEvent =
  /** A reload. Peers whose name stays keep what is known; a new name's answer is used at once. */
  | { readonly kind: 'configured'; readonly settings: EndpointNamesSettings }
  /** Given for every peer before each `handleTimeout`; null where the device has no such peer. */
  | { readonly kind: 'observed'; readonly peer: string; readonly liveness: PeerLiveness | null }
  /** Without addresses: the look-up failed. */
  | { readonly kind: 'answered'; readonly peer: string; readonly addresses: readonly Endpoint[] };

export type EndpointNamesEffect =
  | { readonly kind: 'lookUp'; readonly peer: string; readonly host: string; readonly port: number }
  | { readonly kind: 'setEndpoint'; readonly peer: string; readonly endpoint: Endpoint };

/** A session is renewed after 120 s, and the peer is asked for up to 15 s more. */
export const SILENT_AFTER_MS = 135_000;
/** How long an address is tried: three handshake attempts, 5 s apart. */
export const TURN_MS = 15_000;
/** How often peers are observed. */
export const OBSERVE_EVERY_MS = 5_000;
/** As `wg` does it at start. */
const FIRST_RETRY_MS = 1_000;
const RETRY_FACTOR = 1.2;
const MAX_RETRY_MS = 20_000;
export const DEFAULT_START_RETRIES = 15;
/** After the quick attempts. */
const LATE_RETRY_MS = 60_000;

interface PeerState {
  readonly peer: NamedPeer;
  /** Of the last answer; empty before the first. */
  addresses: readonly Endpoint[];
  /** What was set last; the peer may have roamed from it. */
  inUse: Endpoint | null;
  /** What the device sends to, as observed last. */
  current: Endpoint | null;
  failures: number;
  lookUp:
    | { readonly kind: 'due'; readonly at: Instant }
    | { readonly kind: 'running' }
    | { readonly kind: 'none' };
  observedAt: Instant | null;
  lastHandshakeAt: WallTime | null;
  /** The same by the clock that doesn't jump. */
  handshakeAt: Instant | null;
  pendingSince: Instant | null;
  /** When the address in use was set. */
  turnSince: Instant | null;
  silent: boolean;
  /** The operator has just asked for this name: its first answer counts even for a live peer. */
  forced: boolean;
}

export class EndpointNames implements Machine<EndpointNamesEvent, EndpointNamesEffect> {
  #settings: EndpointNamesSettings;
  readonly #states = new Map<string, PeerState>();
  #observeAt: Instant;

  constructor(settings: EndpointNamesSettings, now: Moment) {
    this.#settings = settings;
    this.#observeAt = now.boot;
    for (const peer of settings.peers)
      this.#states.set(peer.id, initialState(peer, settings, now, false));
  }

  handle(event: EndpointNamesEvent, now: Moment): EndpointNamesEffect[] {
    if (event.kind === 'configured') {
      this.#configure(event.settings, now);
      return [];
    }
    const state = this.#states.get(event.peer);
    if (state === undefined) return [];
    switch (event.kind) {
      case 'observed':
        observe(state, event.liveness, now);
        return [];
      case 'answered':
        return event.addresses.length === 0
          ? this.#failed(state, now)
          : this.#answered(state, event.addresses, now);
      default:
        return assertNever(event);
    }
  }

  #configure(settings: EndpointNamesSettings, now: Moment): void {
    this.#settings = settings;
    const before = new Map(this.#states);
    this.#states.clear();
    for (const peer of settings.peers) {
      const old = before.get(peer.id);
      const same = old?.peer.host === peer.host && old.peer.port === peer.port;
      this.#states.set(peer.id, same ? old : initialState(peer, settings, now, true));
    }
    this.#observeAt = now.boot;
  }

  /** Every peer wants to be observed before it. null without peers. */
  nextTimeout(): Instant | null {
    let next: Instant | null = null;
    for (const { lookUp } of this.#states.values())
      if (lookUp.kind === 'due') next = earliest(next, lookUp.at);
    return this.#states.size === 0 ? null : earliest(next, this.#observeAt);
  }

  handleTimeout(now: Moment): EndpointNamesEffect[] {
    this.#observeAt = after(now.boot, OBSERVE_EVERY_MS);
    return [...this.#states.values()].flatMap((state) => [
      ...this.#lookUpIfDue(state, now),
      ...takeTurns(state, now),
    ]);
  }

  #failed(state: PeerState, now: Moment): EndpointNamesEffect[] {
    state.failures++;
    const delayMs =
      state.addresses.length === 0 ? this.#retryMs(state.failures) : this.#settings.intervalMs;
    state.lookUp = delayMs === 0 ? { kind: 'none' } : { kind: 'due', at: after(now.boot, delayMs) };
    return [];
  }

  #retryMs(failures: number): number {
    if (failures > this.#settings.startRetries) return LATE_RETRY_MS;
    return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * RETRY_FACTOR ** (failures - 1));
  }

  #answered(state: PeerState, addresses: readonly Endpoint[], now: Moment): EndpointNamesEffect[] {
    state.addresses = addresses;
    state.failures = 0;
    state.silent = !isLive(state, now);
    const { intervalMs } = this.#settings;
    state.lookUp =
      state.silent && intervalMs > 0
        ? { kind: 'due', at: after(now.boot, intervalMs) }
        : { kind: 'none' };
    if (state.forced) return use(state, addresses[0]!, now);
    if (!state.silent) return [];
    if (state.current === null) return use(state, addresses[0]!, now);
    const stillNamed = holds(addresses, state.inUse);
    const roamed = !sameEndpoint(state.current, state.inUse);
    return stillNamed || (roamed && state.pendingSince === null)
      ? []
      : use(state, addresses[0]!, now);
  }

  /** The first look-up is due from the start; later ones while the peer is silent. */
  #lookUpIfDue(state: PeerState, now: Moment): EndpointNamesEffect[] {
    const wasSilent = state.silent;
    state.silent = state.addresses.length > 0 && !isLive(state, now);
    if (state.addresses.length > 0) {
      if (!state.silent && state.lookUp.kind === 'due') state.lookUp = { kind: 'none' };
      const becameSilent = state.silent && !wasSilent && state.lookUp.kind === 'none';
      if (becameSilent && this.#settings.intervalMs > 0)
        state.lookUp = { kind: 'due', at: now.boot };
    }
    if (state.lookUp.kind !== 'due' || state.lookUp.at > now.boot) return [];
    state.lookUp = { kind: 'running' };
    const { id, host, port } = state.peer;
    return [{ kind: 'lookUp', peer: id, host, port }];
  }
}

function initialState(
  peer: NamedPeer,
  { known, intervalMs }: EndpointNamesSettings,
  now: Moment,
  forced: boolean,
): PeerState {
  const addresses = known.get(peer.id) ?? [];
  const isKnown = addresses.length > 0;
  const dueAt = isKnown ? after(now.boot, intervalMs) : now.boot;
  return {
    peer,
    addresses,
    inUse: addresses[0] ?? null,
    current: addresses[0] ?? null,
    failures: 0,
    lookUp: isKnown && intervalMs === 0 ? { kind: 'none' } : { kind: 'due', at: dueAt },
    observedAt: null,
    lastHandshakeAt: null,
    handshakeAt: null,
    pendingSince: null,
    turnSince: isKnown ? now.boot : null,
    silent: isKnown,
    forced: forced && !isKnown,
  };
}

function observe(state: PeerState, liveness: PeerLiveness | null, now: Moment): void {
  state.current = liveness?.endpoint ?? null;
  const handshakeAt = liveness?.lastHandshakeAt ?? null;
  if (handshakeAt !== state.lastHandshakeAt) {
    state.lastHandshakeAt = handshakeAt;
    state.handshakeAt =
      handshakeAt === null ? null : bootTimeOf(handshakeAt, state.observedAt, now);
  }
  state.observedAt = now.boot;
  const pending = liveness?.handshakePending ?? false;
  state.pendingSince = pending ? (state.pendingSince ?? now.boot) : null;
}

/** Wall time may have jumped: a handshake that is new since the last look is no older than that. */
function bootTimeOf(handshakeAt: WallTime, observedAt: Instant | null, now: Moment): Instant {
  const ageMs = Math.max(0, now.wall - handshakeAt);
  return instant(Math.max(now.boot - ageMs, observedAt ?? -Infinity));
}

function isLive(state: PeerState, now: Moment): boolean {
  if (state.handshakeAt === null || now.boot - state.handshakeAt > SILENT_AFTER_MS) return false;
  return state.pendingSince === null || now.boot - state.pendingSince < TURN_MS;
}

/** While handshakes go unanswered, each address is tried for a while. */
function takeTurns(state: PeerState, now: Moment): EndpointNamesEffect[] {
  const { addresses, pendingSince, turnSince, inUse } = state;
  if (!state.silent || pendingSince === null || addresses.length === 0) return [];
  const turnStart = Math.max(pendingSince, turnSince ?? pendingSince);
  if (now.boot - turnStart < TURN_MS) return [];
  const at = addresses.findIndex((address) => sameEndpoint(address, inUse));
  const roamed = !sameEndpoint(state.current, inUse);
  const next = roamed && at >= 0 ? addresses[at]! : addresses[(at + 1) % addresses.length]!;
  return sameEndpoint(next, state.current) ? [] : use(state, next, now);
}

function use(state: PeerState, endpoint: Endpoint, now: Moment): EndpointNamesEffect[] {
  state.forced = false;
  state.inUse = endpoint;
  state.current = endpoint;
  state.turnSince = now.boot;
  return [{ kind: 'setEndpoint', peer: state.peer.id, endpoint }];
}

const holds = (addresses: readonly Endpoint[], endpoint: Endpoint | null): boolean =>
  addresses.some((address) => sameEndpoint(address, endpoint));

export const sameEndpoint = (a: Endpoint | null, b: Endpoint | null): boolean =>
  a === null || b === null
    ? a === b
    : a.address === b.address && a.port === b.port && a.scopeId === b.scopeId;

/** WG_ENDPOINT_RESOLUTION_RETRIES: a number, or `infinity`; anything else is the default. */
export function parseStartRetries(text: string | undefined): number {
  if (text === 'infinity') return Infinity;
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : DEFAULT_START_RETRIES;
}
