// Where time, the device and the engine meet: passes events in, applies effects, keeps one timer,
// and owns what the device doesn't: the port and the mark. SPEC.md 5.6.
import { toBase64 } from '../base/bytes.js';
import { formatEndpoint } from '../base/ip.js';
import type { Instant, Moment } from '../base/time.js';
import { applyEffects } from '../dataPlane/applyEffects.js';
import type { DeviceChange, DeviceSnapshot } from '../peer/change.js';
import { Device, type DeviceStats } from '../peer/device.js';
import type { DeviceEvent, LogEffect } from '../peer/deviceEffects.js';
import type { Clock, Timer } from '../ports/clock.js';
import type {
  DataPlane,
  DataPlaneEvent,
  DataPlaneListener,
  DataPlaneStats,
  PeerId,
  PeerTraffic,
} from '../ports/dataPlane.js';
import type { Entropy } from '../ports/entropy.js';
import type { Logger } from '../ports/log.js';
import type { LinkState } from '../ports/tun.js';
import type { PeerLiveness } from './lifecycle/tunnelControl.js';

export interface ControllerOptions {
  /** Makes the engine; called once, inside the constructor. */
  readonly openDataPlane: (listener: DataPlaneListener) => DataPlane;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  /** The TUN device is gone. Called once at most. */
  readonly onTunClosed: () => void;
}

/** A port that another program holds is asked for again while the link is up. */
const BIND_RETRY_MS = 2_000;

export class Controller {
  readonly #device: Device;
  readonly #dataPlane: DataPlane;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onTunClosed: () => void;

  #link: LinkState = { up: false, mtu: 0 };
  #listenPort = 0;
  #bound = false;
  #fwmark = 0;
  #bindRetry: Timer | null = null;
  #timer: { readonly at: Instant; readonly timer: Timer } | null = null;
  #closed = false;

  constructor(options: ControllerOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#onTunClosed = options.onTunClosed;
    this.#device = new Device({ entropy: options.entropy });
    this.#dataPlane = options.openDataPlane((events) => {
      for (const event of events) this.#dataPlaneEvent(event);
    });
  }

  get link(): LinkState {
    return this.#link;
  }

  /**
   * All or nothing: throws OperatorError (E_BIND, E_MARK, E_TOO_MANY_PEERS) and leaves everything as
   * it was. The secrets in `change` stay the caller's.
   */
  applyChange(change: DeviceChange): void {
    const undo: (() => void)[] = [];
    try {
      if (change.fwmark !== undefined) undo.push(this.#changeMark(change.fwmark));
      if (change.listenPort !== undefined) undo.push(this.#changePort(change.listenPort));
      this.#handle({ kind: 'configure', change });
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  #changeMark(mark: number): () => void {
    const before = this.#fwmark;
    this.#dataPlane.setMark(mark);
    this.#fwmark = mark;
    return () => {
      this.#dataPlane.setMark(before);
      this.#fwmark = before;
    };
  }

  #changePort(port: number): () => void {
    const before = this.#listenPort;
    if (port === before && port !== 0) return () => undefined;
    this.#listenPort = this.#link.up ? this.#dataPlane.bind(port) : port;
    this.#bound = this.#link.up;
    return () => {
      this.#listenPort = before;
      if (this.#link.up) this.#bindOrRetry();
    };
  }

  /** The keys in it are lent: valid until the next change. */
  snapshot(): DeviceSnapshot {
    return {
      ...this.#device.snapshot((peer) => this.#dataPlane.traffic(peer)),
      listenPort: this.#listenPort,
      fwmark: this.#fwmark,
    };
  }

  liveness(publicKey: Uint8Array): PeerLiveness | null {
    const health = this.#device.health(publicKey);
    if (health === null) return null;
    return {
      endpoint: this.#traffic(health.peer).path?.remote ?? null,
      lastHandshakeAt: health.lastHandshakeAt,
      handshakePending: health.handshakePending,
    };
  }

  #traffic(peer: PeerId): PeerTraffic {
    return this.#dataPlane.traffic(peer);
  }

  stats(): { readonly device: DeviceStats; readonly dataPlane: DataPlaneStats } {
    return { device: this.#device.stats(), dataPlane: this.#dataPlane.stats() };
  }

  /** Ends the engine and zeroes the keys; the TUN device disappears with it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.timer.cancel();
    this.#bindRetry?.cancel();
    this.#dataPlane.close();
    this.#device.destroy();
  }

  #dataPlaneEvent(event: DataPlaneEvent): void {
    if (this.#closed) return;
    if (event.kind === 'tunClosed') {
      this.#onTunClosed();
      return;
    }
    if (event.kind === 'linkChanged') this.#linkChanged(event);
    this.#handle(event);
  }

  /** The sockets are open while the link is up, as wireguard-go has it. */
  #linkChanged(link: LinkState): void {
    const before = this.#link;
    this.#link = { up: link.up, mtu: link.mtu };
    if (link.mtu !== before.mtu) this.#logger.debug(`MTU ${link.mtu}`);
    if (link.up === before.up) return;
    this.#logger.debug(`interface ${link.up ? 'up' : 'down'}`);
    if (link.up) {
      this.#bindOrRetry();
      return;
    }
    this.#bindRetry?.cancel();
    this.#bindRetry = null;
    this.#dataPlane.unbind();
    this.#bound = false;
  }

  #bindOrRetry(): void {
    this.#bindRetry?.cancel();
    this.#bindRetry = null;
    try {
      this.#listenPort = this.#dataPlane.bind(this.#listenPort);
      this.#bound = true;
      this.#logger.debug(`listening on UDP port ${this.#listenPort}`);
    } catch (error) {
      this.#bound = false;
      this.#logger.error(error instanceof Error ? error.message : 'bind failed');
      this.#bindRetry = this.#clock.setTimer(BIND_RETRY_MS, () => {
        if (!this.#closed && this.#link.up && !this.#bound) this.#bindOrRetry();
      });
    }
  }

  #moment(): Moment {
    return { boot: this.#clock.now(), wall: this.#clock.wallNow() };
  }

  #handle(event: DeviceEvent): void {
    const effects = this.#device.handle(event, this.#moment());
    applyEffects(effects, this.#dataPlane, (line) => this.#log(line));
    this.#schedule();
  }

  #schedule(): void {
    const next = this.#device.nextTimeout();
    if (next === (this.#timer?.at ?? null)) return;
    this.#timer?.timer.cancel();
    this.#timer = null;
    if (next === null) return;
    const timer = this.#clock.setTimer(Math.max(0, next - this.#clock.now()), () => this.#fire());
    this.#timer = { at: next, timer };
  }

  #fire(): void {
    this.#timer = null;
    if (this.#closed) return;
    const effects = this.#device.handleTimeout(this.#moment());
    applyEffects(effects, this.#dataPlane, (line) => this.#log(line));
    this.#schedule();
  }

  #log(line: LogEffect): void {
    const peer = line.peer === null ? '' : `${shortKey(line.peer)} - `;
    const endpoint = line.endpoint === null ? '' : ` (${formatEndpoint(line.endpoint)})`;
    this.#logger[line.level](`${peer}${line.message}${endpoint}`);
  }
}

/** `peer(abcd…wxyz)`: enough to recognise, as wireguard-go logs it. */
function shortKey(publicKey: Uint8Array): string {
  const text = toBase64(publicKey);
  return `peer(${text.slice(0, 4)}…${text.slice(39, 43)})`;
}
