// A TUN device without the addon: a small Perl process holds the descriptor and passes packets over
// a stream (tunRelayProgram.ts). It ends with this process, however that ends.
import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { Socket } from 'node:net';
import { BugError } from '../base/assert.js';
import type { OperatorError } from '../base/errors.js';
import type { TunEvents } from '../ports/tun.js';
import { errnoName } from './addon.js';
import type { OpenTun, TunFeatures, TunSource } from './tun.js';
import { isInterfaceName, mtuError, tunError } from './tunErrors.js';
import {
  RELAY_FRAMES,
  RELAY_HEADER_BYTES,
  RELAY_PROGRAM,
  RELAY_STREAM_FD,
} from './tunRelayProgram.js';

/** Packets that wait for the relay; past it the kernel's queue would be full too, so they drop. */
const MAX_QUEUED_BYTES = 1024 * 1024;
const MAX_PACKET_BYTES = 65_535;

/** Throws OperatorError E_TUN or E_TUN_MTU. */
export async function openTunByRelay(source: TunSource, events: TunEvents): Promise<OpenTun> {
  const place = 'fd' in source ? `descriptor ${source.fd}` : source.name;
  if ('name' in source && !isInterfaceName(source.name)) throw tunError(place, 'not a valid name');
  const tun = new RelayTun(startRelay(source), events);
  const failure = await tun.opened;
  if (failure !== null) throw tunError(place, failure);
  if ('mtu' in source && source.mtu !== null) {
    try {
      tun.setMtu(source.mtu);
    } catch (error) {
      tun.close();
      throw error;
    }
  }
  return tun;
}

function startRelay(source: TunSource): ChildProcess {
  const name = 'fd' in source ? '' : source.name;
  const stdio: StdioOptions = ['pipe', 'ignore', 'inherit', 'pipe'];
  if ('fd' in source) stdio.push(source.fd);
  // Detached: a Ctrl-C in our terminal is ours to answer.
  const child = spawn('perl', ['-', name], { stdio, detached: true });
  child.stdin?.on('error', () => undefined).end(RELAY_PROGRAM);
  return child;
}

class RelayTun implements OpenTun {
  /** Null once the device is there, or what went wrong. */
  readonly opened: Promise<string | null>;
  readonly features: TunFeatures = { adapter: 'relay', link: 'polled' };
  #name = '';
  readonly #events: TunEvents;
  readonly #stream: Socket;
  #settle: ((failure: string | null) => void) | null = null;
  #pending: Buffer = Buffer.alloc(0);
  #closed = false;

  constructor(child: ChildProcess, events: TunEvents) {
    this.#events = events;
    this.opened = new Promise((resolve) => (this.#settle = resolve));
    const stream = child.stdio[RELAY_STREAM_FD];
    if (!(stream instanceof Socket)) throw new BugError('the relay has no stream');
    this.#stream = stream;
    this.#stream.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#stream.on('error', () => this.#gone('the relay closed its stream'));
    this.#stream.on('close', () => this.#gone('the relay ended; its message is on stderr'));
    child.on('error', (error: NodeJS.ErrnoException) => {
      this.#gone(
        error.code === 'ENOENT' ? 'no native/beam_io and no perl to stand in' : error.message,
      );
    });
    child.unref();
  }

  get name(): string {
    return this.#name;
  }

  #received(chunk: Buffer): void {
    if (this.#closed) return;
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#settle !== null) this.#answered(bytes);
    else this.#frames(bytes);
  }

  /** The first frame says how opening went. The rest waits until the caller has the device. */
  #answered(bytes: Buffer): void {
    this.#pending = bytes;
    if (bytes.length < RELAY_HEADER_BYTES) return;
    const header = bytes.readUInt32BE(0);
    const end = RELAY_HEADER_BYTES + (header & 0xffffff);
    if (bytes.length < end) return;
    const payload = bytes.subarray(RELAY_HEADER_BYTES, end);
    if (header >>> 24 !== RELAY_FRAMES.opened) {
      this.#gone(errnoName(payload.readUInt32BE(0)));
      return;
    }
    this.#name = payload.toString('utf8');
    this.#pending = bytes.subarray(end);
    this.#stream.pause();
    this.#finishOpening(null);
    setImmediate(() => {
      this.#received(Buffer.alloc(0));
      this.#stream.resume();
    });
  }

  #frames(bytes: Buffer): void {
    const packets: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= RELAY_HEADER_BYTES) {
      const header = bytes.readUInt32BE(at);
      const end = at + RELAY_HEADER_BYTES + (header & 0xffffff);
      if (end > bytes.length) break;
      const payload = bytes.subarray(at + RELAY_HEADER_BYTES, end);
      at = end;
      if (header >>> 24 === RELAY_FRAMES.packet) packets.push(payload);
      else this.#events.link({ up: payload[0] === 1, mtu: payload.readUInt32BE(1) });
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    if (packets.length > 0 && !this.#closed) this.#events.packets(packets);
  }

  #finishOpening(failure: string | null): void {
    this.#settle?.(failure);
    this.#settle = null;
  }

  #gone(reason: string): void {
    if (this.#closed) return;
    const wasOpen = this.#settle === null;
    this.close();
    this.#finishOpening(reason);
    if (wasOpen) this.#events.closed();
  }

  write(packet: Uint8Array): boolean {
    if (this.#closed || packet.length === 0 || packet.length > MAX_PACKET_BYTES) return false;
    if (this.#stream.writableLength > MAX_QUEUED_BYTES) return false;
    const frame = Buffer.allocUnsafe(RELAY_HEADER_BYTES + packet.length);
    frame.writeUInt32BE(packet.length, 0);
    frame.set(packet, RELAY_HEADER_BYTES);
    this.#stream.write(frame);
    return true;
  }

  setMtu(mtu: number): void {
    const { status, stderr, error } = spawnSync(
      'ip',
      ['link', 'set', 'dev', this.#name, 'mtu', String(mtu)],
      { encoding: 'utf8', timeout: 5000 },
    );
    if (status !== 0) throw this.#mtuRefused(mtu, error?.message ?? stderr.trim());
  }

  #mtuRefused(mtu: number, found: string): OperatorError {
    return mtuError(this.#name, mtu, found);
  }

  close(): void {
    this.#closed = true;
    this.#stream.destroy();
  }
}
