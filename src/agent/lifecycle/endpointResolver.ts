// Runs the machine of endpointNames.ts: looks names up, observes peers, sets endpoints, keeps one
// timer. SPEC.md 8.9.
import { assert } from '../../base/assert.js';
import { keyFromBase64 } from '../../base/bytes.js';
import { formatAddress, formatEndpoint, type Endpoint, type IpAddress } from '../../base/ip.js';
import type { Moment } from '../../base/time.js';
import type { Clock, Timer } from '../../ports/clock.js';
import {
  EndpointNames,
  type EndpointNamesEffect,
  type EndpointNamesEvent,
  type EndpointNamesSettings,
  type NamedPeer,
} from './endpointNames.js';
import type { TunnelControl } from './tunnelControl.js';

/** Addresses of a name, the preferred first; rejects if there is no answer. */
export type LookUp = (host: string) => Promise<readonly IpAddress[]>;

export interface EndpointResolverOptions {
  readonly settings: EndpointNamesSettings;
  readonly control: TunnelControl;
  readonly clock: Clock;
  readonly lookUp: LookUp;
  readonly log: (text: string) => void;
  /** After an endpoint was set: the path's MTU may be another one. */
  readonly onEndpointSet: () => void;
}

/** How long an up or a reload waits for endpoints that are names. */
export const LOOK_UP_TIMEOUT_MS = 5_000;
/** getaddrinfo blocks one of libuv's four threads each; files need some too. */
const MAX_LOOKUPS = 2;

export class EndpointResolver {
  readonly #options: EndpointResolverOptions;
  readonly #machine: EndpointNames;
  readonly #queue: (() => Promise<void>)[] = [];
  #running = 0;
  #peers: readonly NamedPeer[];
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: EndpointResolverOptions) {
    this.#options = options;
    this.#peers = options.settings.peers;
    this.#machine = new EndpointNames(options.settings, this.#now());
    this.#schedule();
  }

  configure(settings: EndpointNamesSettings): void {
    this.#peers = settings.peers;
    this.#handle({ kind: 'configured', settings });
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#queue.length = 0;
  }

  #now(): Moment {
    const { clock } = this.#options;
    return { boot: clock.now(), wall: clock.wallNow() };
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const next = this.#machine.nextTimeout();
    if (next === null || this.#stopped) return;
    const delayMs = Math.max(0, next - this.#options.clock.now());
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#fire());
  }

  #fire(): void {
    for (const { id } of this.#peers)
      this.#handle({
        kind: 'observed',
        peer: id,
        liveness: this.#options.control.liveness(publicKeyOf(id)),
      });
    this.#apply(this.#machine.handleTimeout(this.#now()));
    this.#schedule();
  }

  #handle(event: EndpointNamesEvent): void {
    this.#apply(this.#machine.handle(event, this.#now()));
  }

  #apply(effects: readonly EndpointNamesEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'setEndpoint') this.#setEndpoint(effect);
      else this.#queue.push(() => this.#lookUp(effect));
    }
    this.#startLookUps();
  }

  #startLookUps(): void {
    while (this.#running < MAX_LOOKUPS) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#running++;
      void next().finally(() => {
        this.#running--;
        this.#startLookUps();
      });
    }
  }

  /** Never rejects. */
  async #lookUp(effect: EndpointNamesEffect & { readonly kind: 'lookUp' }): Promise<void> {
    const addresses = await lookUpEndpoints(effect, this.#options.lookUp).catch(
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log(`endpoint ${effect.host}: ${reason}`);
        return [];
      },
    );
    if (this.#stopped || !this.#peers.some((peer) => isFor(peer, effect))) return;
    this.#handle({ kind: 'answered', peer: effect.peer, addresses });
    this.#schedule();
  }

  #setEndpoint(effect: EndpointNamesEffect & { readonly kind: 'setEndpoint' }): void {
    const peer = this.#peers.find(({ id }) => id === effect.peer);
    this.#options.log(`endpoint ${peer?.host ?? ''} is ${formatEndpoint(effect.endpoint)}`);
    this.#options.control.applyChange({
      replacePeers: false,
      peers: [
        {
          publicKey: publicKeyOf(effect.peer),
          remove: false,
          updateOnly: true,
          endpoint: effect.endpoint,
          replaceAllowedIps: false,
          allowedIps: [],
        },
      ],
    });
    this.#options.onEndpointSet();
  }
}

const isFor = (
  peer: NamedPeer,
  effect: Omit<NamedPeer, 'id'> & { readonly peer: string },
): boolean => peer.id === effect.peer && peer.host === effect.host && peer.port === effect.port;

function publicKeyOf(id: string): Uint8Array {
  const key = keyFromBase64(id);
  assert(key !== null, 'a named peer is known by its public key in base64');
  return key;
}

async function lookUpEndpoints(
  { host, port }: Pick<NamedPeer, 'host' | 'port'>,
  lookUp: LookUp,
): Promise<Endpoint[]> {
  const addresses = await lookUp(host);
  return addresses.map((address) => ({
    family: address.family,
    address: formatAddress(address),
    port,
    scopeId: 0,
  }));
}

/** Looks all names up at once; what hasn't been answered when the time is over is left out. */
export async function lookUpAll(
  peers: readonly NamedPeer[],
  how: { readonly lookUp: LookUp; readonly clock: Clock; readonly timeoutMs: number },
): Promise<Map<string, readonly Endpoint[]>> {
  const known = new Map<string, readonly Endpoint[]>();
  if (peers.length === 0) return known;
  let over: (() => void) | undefined;
  const timeIsOver = new Promise<void>((resolve) => (over = resolve));
  const timer = how.clock.setTimer(how.timeoutMs, () => over?.());
  const answers = peers.map(async (peer) => {
    const endpoints = await lookUpEndpoints(peer, how.lookUp).catch(() => []);
    if (endpoints.length > 0) known.set(peer.id, endpoints);
  });
  await Promise.race([Promise.all(answers), timeIsOver]);
  timer.cancel();
  // Later answers must not change what the caller works with.
  return new Map(known);
}
