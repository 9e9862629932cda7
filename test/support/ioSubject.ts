// Drives src/platform's TUN and UDP adapters inside a namespace, with the addon or without it
// (ioProcess.ts is the other end).
import { fileURLToPath } from 'node:url';
import type { Path, ReceivedDatagram, SendOutcome, UdpFeatures } from '../../src/ports/udp.js';
import type { LinkState } from '../../src/ports/tun.js';
import type { TunFeatures, TunSource } from '../../src/platform/tun.js';
import type { Namespace } from './netns.js';
import { waitFor, type Background } from './netnsProcess.js';

export type Adapter = 'addon' | 'without';
export const ADAPTERS: readonly Adapter[] = ['addon', 'without'];
export const adapterTitle = (adapter: Adapter): string =>
  adapter === 'addon' ? 'with the addon' : 'without the addon';

export type IoCall =
  | { readonly kind: 'openTun'; readonly source: TunSource }
  | { readonly kind: 'writeTun'; readonly packet: Uint8Array }
  | { readonly kind: 'setMtu'; readonly mtu: number }
  | { readonly kind: 'tunFeatures' | 'closeTun' }
  | { readonly kind: 'bind'; readonly port: number }
  | { readonly kind: 'unbind' | 'udpState' }
  | { readonly kind: 'setMark'; readonly mark: number }
  | {
      readonly kind: 'send';
      readonly path: Path;
      readonly bytes: Uint8Array;
      readonly trafficClass: number;
    }
  /** Gives up the channel: only what is open keeps the process alive. */
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'exit' };

export interface SeenDatagram extends ReceivedDatagram {
  readonly bytes: Buffer;
  /** The path is the same object as that of the batch's first datagram. */
  readonly isShared: boolean;
}

export type IoEvent =
  | { readonly kind: 'packets'; readonly packets: readonly Buffer[] }
  | { readonly kind: 'link'; readonly state: LinkState }
  | { readonly kind: 'closed' }
  | { readonly kind: 'datagrams'; readonly datagrams: readonly SeenDatagram[] };

export type IoAnswer =
  | { readonly value: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

type Message = { readonly event: IoEvent } | { readonly id: number; readonly outcome: IoAnswer };

export class IoFailure extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface StartOptions {
  /** Goes before `node`, to give up capabilities or to open descriptors. */
  readonly through?: readonly string[];
}

export class IoSubject {
  readonly process: Background;
  readonly packets: Buffer[] = [];
  readonly links: LinkState[] = [];
  readonly datagrams: SeenDatagram[] = [];
  closedTimes = 0;
  /** Called with each packet that comes out of the TUN. */
  onPacket: (packet: Buffer) => void = () => undefined;
  readonly #waiting = new Map<number, (outcome: IoAnswer) => void>();
  #lastId = 0;

  constructor(namespace: Namespace, adapter: Adapter, options: StartOptions = {}) {
    const program = fileURLToPath(new URL('ioProcess.js', import.meta.url));
    const node = [process.execPath, '--enable-source-maps', program, adapter];
    this.process = namespace.spawn([...(options.through ?? []), ...node], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.process.child.on('message', (message) => this.#received(message as Message));
    this.process.child.once('close', () => {
      for (const id of this.#waiting.keys()) this.#settle(id, ended(this.process.log));
    });
  }

  #received(message: Message): void {
    if ('id' in message) this.#settle(message.id, message.outcome);
    else this.#happened(message.event);
  }

  #settle(id: number, outcome: IoAnswer): void {
    this.#waiting.get(id)?.(outcome);
    this.#waiting.delete(id);
  }

  #happened(event: IoEvent): void {
    switch (event.kind) {
      case 'packets':
        this.packets.push(...event.packets);
        event.packets.forEach((packet) => this.onPacket(packet));
        break;
      case 'link':
        this.links.push(event.state);
        break;
      case 'closed':
        this.closedTimes++;
        break;
      case 'datagrams':
        this.datagrams.push(...event.datagrams);
    }
  }

  async #call<T>(call: IoCall): Promise<T> {
    const id = ++this.#lastId;
    const outcome = await new Promise<IoAnswer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.process.child.send({ id, call });
    });
    if ('error' in outcome) throw new IoFailure(outcome.error.code, outcome.error.message);
    return outcome.value as T;
  }

  openTun = (source: TunSource): Promise<string> => this.#call({ kind: 'openTun', source });
  writeTun = (packet: Uint8Array): Promise<boolean> => this.#call({ kind: 'writeTun', packet });
  setMtu = (mtu: number): Promise<null> => this.#call({ kind: 'setMtu', mtu });
  tunFeatures = (): Promise<TunFeatures> => this.#call({ kind: 'tunFeatures' });
  closeTun = (): Promise<null> => this.#call({ kind: 'closeTun' });
  bind = (port: number): Promise<number> => this.#call({ kind: 'bind', port });
  unbind = (): Promise<null> => this.#call({ kind: 'unbind' });
  setMark = (mark: number): Promise<null> => this.#call({ kind: 'setMark', mark });
  send = (path: Path, bytes: Uint8Array, trafficClass = 0): Promise<SendOutcome> =>
    this.#call({ kind: 'send', path, bytes, trafficClass });
  udpState = (): Promise<{ families: readonly number[]; features: UdpFeatures }> =>
    this.#call({ kind: 'udpState' });

  /** The process then lives only as long as what it has open. */
  letGo(): void {
    this.#call({ kind: 'disconnect' }).catch(() => undefined);
  }

  /** process.exit with everything still open. */
  exit(): void {
    this.#call({ kind: 'exit' }).catch(() => undefined);
  }

  linkBecomes(wanted: LinkState, timeoutMs = 5000): Promise<true> {
    return waitFor(
      `the link is ${JSON.stringify(wanted)}`,
      () => {
        const last = this.links.at(-1);
        return last?.up === wanted.up && last.mtu === wanted.mtu ? (true as const) : null;
      },
      { timeoutMs },
    ).then(() => true);
  }

  closes(timeoutMs = 5000): Promise<boolean> {
    return waitFor('the TUN is closed', () => this.closedTimes > 0, { timeoutMs });
  }

  /** The next datagrams, once there are `count`; they are taken out. */
  async receive(count: number, timeoutMs = 5000): Promise<SeenDatagram[]> {
    await waitFor(`${count} datagrams arrive`, () => this.datagrams.length >= count, { timeoutMs });
    return this.datagrams.splice(0, count);
  }
}

const ended = (log: string): IoAnswer => ({ error: { code: 'ENDED', message: log } });
