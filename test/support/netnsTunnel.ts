// WireGuard implementations behind one face: the test subject and Debian's wireguard-go, each a
// foreground process that `wg` configures.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { x25519 } from '../../src/crypto/dh.js';
import { UAPI_FOLDER } from './netnsLeftovers.js';
import type { Namespace, Network } from './netnsNetwork.js';
import { runToEnd, waitFor } from './netnsProcess.js';
import type { Background, CommandResult } from './netnsProcess.js';

export type Implementation = 'beam' | 'wireguard-go';

/**
 * What the tests are about. BEAM_TEST_IMPL=wireguard-go puts wireguard-go in Beam's place, which
 * shows that the tests themselves hold for a known good implementation.
 */
export const SUBJECT: Implementation =
  process.env['BEAM_TEST_IMPL'] === 'wireguard-go' ? 'wireguard-go' : 'beam';

export interface KeyPair {
  /** base64, as `wg` takes them. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * Not node:crypto's generateKeyPairSync: a garbage collection while the new key is exported can make
 * Node 20 wait for itself for ever (KeyGenJob's destructor takes the key's lock).
 */
export function newKeyPair(): KeyPair {
  const privateKey = x25519.generate(randomBytes);
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return { privateKey: base64(privateKey), publicKey: base64(x25519.publicKey(privateKey)) };
}

export const newPresharedKey = (): string => randomBytes(32).toString('base64');

/** The command that serves `interfaceName` in the foreground. */
export function foregroundCommand(implementation: Implementation, interfaceName: string): string[] {
  switch (implementation) {
    case 'beam':
      return [process.execPath, 'dist/src/cli/main.js', '-f', interfaceName];
    case 'wireguard-go':
      return ['wireguard-go', '-f', interfaceName];
  }
}

/** The command with which wg-quick and the tests start it as a daemon. */
export function daemonCommand(implementation: Implementation): string {
  return implementation === 'beam' ? `${process.cwd()}/dist/src/cli/main.js` : 'wireguard-go';
}

export interface PeerConfig {
  readonly publicKey: string;
  readonly presharedKey?: string;
  readonly endpoint?: string;
  readonly allowedIps: readonly string[];
  readonly persistentKeepaliveS?: number;
}

export interface DeviceConfig {
  readonly privateKey: string;
  readonly listenPort?: number;
  readonly fwmark?: number;
  readonly peers: readonly PeerConfig[];
}

/** The text that `wg setconf` reads. */
export function configText(config: DeviceConfig): string {
  const lines = ['[Interface]', `PrivateKey = ${config.privateKey}`];
  if (config.listenPort !== undefined) lines.push(`ListenPort = ${config.listenPort}`);
  if (config.fwmark !== undefined) lines.push(`FwMark = ${config.fwmark}`);
  for (const peer of config.peers) {
    lines.push('', '[Peer]', `PublicKey = ${peer.publicKey}`);
    if (peer.presharedKey !== undefined) lines.push(`PresharedKey = ${peer.presharedKey}`);
    if (peer.endpoint !== undefined) lines.push(`Endpoint = ${peer.endpoint}`);
    if (peer.allowedIps.length > 0) lines.push(`AllowedIPs = ${peer.allowedIps.join(', ')}`);
    if (peer.persistentKeepaliveS !== undefined) {
      lines.push(`PersistentKeepalive = ${peer.persistentKeepaliveS}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

export interface PeerStatus {
  readonly publicKey: string;
  readonly presharedKey: string | null;
  readonly endpoint: string | null;
  readonly allowedIps: readonly string[];
  /** Unix seconds; 0 for never. */
  readonly latestHandshakeS: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly persistentKeepaliveS: number;
}

export interface DeviceStatus {
  readonly privateKey: string | null;
  readonly publicKey: string | null;
  readonly listenPort: number;
  readonly fwmark: number;
  readonly peers: readonly PeerStatus[];
}

/** Parses `wg show <interface> dump`. */
export function parseDump(text: string): DeviceStatus {
  const [device = [], ...peers] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  const orNull = (field: string | undefined): string | null =>
    field === undefined || field === '(none)' ? null : field;
  const number = (field: string | undefined): number =>
    field === undefined || field === 'off' ? 0 : Number(field);
  return {
    privateKey: orNull(device[0]),
    publicKey: orNull(device[1]),
    listenPort: number(device[2]),
    fwmark: number(device[3]),
    peers: peers.map((field) => ({
      publicKey: field[0]!,
      presharedKey: orNull(field[1]),
      endpoint: orNull(field[2]),
      allowedIps: orNull(field[3])?.split(',') ?? [],
      latestHandshakeS: number(field[4]),
      receivedBytes: number(field[5]),
      sentBytes: number(field[6]),
      persistentKeepaliveS: number(field[7]),
    })),
  };
}

export interface TunnelOptions {
  readonly implementation: Implementation;
  readonly namespace: Namespace;
  readonly keys?: KeyPair;
  readonly interfaceName?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Instead of the implementation's own: the command, to which the interface's name is added. */
  readonly command?: readonly string[];
}

/** One interface of one implementation, with the process that serves it. */
export class Tunnel {
  readonly implementation: Implementation;
  /** Where the interface was made; it may have been moved since. */
  readonly namespace: Namespace;
  readonly interfaceName: string;
  readonly process: Background;
  keys: KeyPair;
  readonly #net: Network;

  private constructor(net: Network, options: TunnelOptions) {
    this.#net = net;
    this.implementation = options.implementation;
    this.namespace = options.namespace;
    this.keys = options.keys ?? newKeyPair();
    this.interfaceName = options.interfaceName ?? net.newInterfaceName();
    const command =
      options.command === undefined
        ? foregroundCommand(options.implementation, this.interfaceName)
        : [...options.command, this.interfaceName];
    this.process = options.namespace.spawn(command, {
      env: { LOG_LEVEL: 'verbose', WG_PROCESS_FOREGROUND: '1', ...options.env },
    });
  }

  /** Resolves when `wg` gets an answer from it. */
  static async start(net: Network, options: TunnelOptions): Promise<Tunnel> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Tunnel.#startOnce(net, options);
      } catch (error) {
        // wireguard-go sometimes misses the socket that it has just made. A fault of Beam's counts.
        const isKnown = String(error).includes('Failed to listen on uapi socket: no such file');
        if (options.implementation !== 'wireguard-go' || !isKnown || attempt === 3) throw error;
      }
    }
  }

  static async #startOnce(net: Network, options: TunnelOptions): Promise<Tunnel> {
    const tunnel = new Tunnel(net, options);
    await waitFor(`${tunnel.interfaceName} answers`, async () => {
      if (tunnel.process.outcome !== null) {
        throw new Error(`${options.implementation} ended at start:\n${tunnel.process.log}`);
      }
      return (await tunnel.tryWg('show', tunnel.interfaceName)).status === 0;
    });
    return tunnel;
  }

  get socketPath(): string {
    return `${UAPI_FOLDER}/${this.interfaceName}.sock`;
  }

  /** Runs `wg` with these arguments; it must succeed. The UAPI is reached from any namespace. */
  wg(...args: readonly string[]): Promise<string> {
    return this.namespace.run('wg', ...args);
  }

  tryWg(...args: readonly string[]): Promise<CommandResult> {
    return runToEnd(['wg', ...args]);
  }

  set(...args: readonly string[]): Promise<string> {
    return this.wg('set', this.interfaceName, ...args);
  }

  /** `wg setconf`: replaces the whole configuration. */
  async setConfig(config: DeviceConfig): Promise<void> {
    const path = this.#net.file(`${this.interfaceName}.conf`, configText(config));
    await this.wg('setconf', this.interfaceName, path);
  }

  async setPrivateKey(keys: KeyPair): Promise<void> {
    await this.set('private-key', this.#net.file('private-key', keys.privateKey));
    this.keys = keys;
  }

  /** null removes it. */
  async setPresharedKey(peer: string, presharedKey: string | null): Promise<void> {
    const path =
      presharedKey === null ? '/dev/null' : this.#net.file('preshared-key', presharedKey);
    await this.set('peer', peer, 'preshared-key', path);
  }

  async status(): Promise<DeviceStatus> {
    return parseDump(await this.wg('show', this.interfaceName, 'dump'));
  }

  async peer(publicKey: string): Promise<PeerStatus> {
    const peer = (await this.status()).peers.find((peer) => peer.publicKey === publicKey);
    if (peer === undefined) throw new Error(`${this.interfaceName} has no peer ${publicKey}`);
    return peer;
  }

  /** Gives the interface its addresses and brings it up, in the namespace it is in now. */
  async up(addresses: readonly string[], mtu: number, namespace = this.namespace): Promise<void> {
    for (const address of addresses) await namespace.addAddress(this.interfaceName, address);
    await namespace.run('ip', 'link', 'set', this.interfaceName, 'mtu', `${mtu}`, 'up');
  }

  /** A counter of the interface: `rx_packets`, `tx_bytes`… */
  async counter(name: string): Promise<number> {
    const path = `/sys/class/net/${this.interfaceName}/statistics/${name}`;
    return Number(await this.namespace.run('cat', path));
  }

  get socketExists(): boolean {
    return existsSync(this.socketPath);
  }

  /** Resident memory of the process in bytes. */
  residentBytes(): number {
    return this.process.residentBytes();
  }
}
