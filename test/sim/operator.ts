// Who configures the agents: what each of them should have, and changes that reach them one after
// the other.
import { toHex } from '../../src/base/bytes.js';
import type { Endpoint } from '../../src/base/ip.js';
import { maskPrefix, parseAddress, parsePrefix } from '../../src/base/ip.js';
import { Secret } from '../../src/base/secret.js';
import { createStaticIdentity } from '../../src/handshake/wireguard.js';
import type { AllowedIpEdit, DeviceChange, PeerChange } from '../../src/peer/change.js';
import type { Random } from './random.js';

/** An agent's configuration file, as it stands now. */
export interface AgentConfig {
  readonly name: string;
  readonly number: number;
  privateKey: Uint8Array;
  readonly peers: Map<string, PeerConfig>;
}

export interface PeerConfig {
  publicKey: Uint8Array;
  presharedKey: Uint8Array | null;
  /** Where the file has one; an agent behind a NAT is found when it speaks. */
  readonly endpoint: Endpoint | null;
  persistentKeepaliveS: number;
  readonly allowedIps: Set<string>;
}

/** What an agent with this number always may use inside. */
export const homePrefix = (number: number): string => `10.${number}.0.0/16`;
/** A prefix that comes and goes. */
export const guestPrefix = (number: number): string => `192.168.${number}.0/24`;

export class Operator {
  readonly #random: Random;
  readonly configs = new Map<string, AgentConfig>();
  /** Public keys in hex, also former ones. */
  readonly #owners = new Map<string, string>();
  /** Every private and pre-shared key that there ever was, in hex. */
  readonly secrets = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  agentOfKey = (publicKey: string): string | null => this.#owners.get(publicKey) ?? null;

  addAgent(name: string, number: number): AgentConfig {
    const config: AgentConfig = { name, number, privateKey: new Uint8Array(32), peers: new Map() };
    this.configs.set(name, config);
    this.newPrivateKey(config);
    return config;
  }

  newPrivateKey(config: AgentConfig): void {
    config.privateKey = this.#newSecret();
    this.#owners.set(toHex(this.publicKey(config.name)), config.name);
  }

  publicKey(name: string): Uint8Array {
    return createStaticIdentity(this.configs.get(name)!.privateKey).publicKey;
  }

  newPresharedKey(): Uint8Array | null {
    return this.#random.chance(0.2) ? null : this.#newSecret();
  }

  #newSecret(): Uint8Array {
    const secret = this.#random.bytes(32);
    this.secrets.add(toHex(secret));
    return secret;
  }

  /** True if a packet from `peer` with this inner source may be delivered to `name`. */
  allows(name: string, peer: string, source: string): boolean {
    const address = parseAddress(source)!;
    const best = [...this.configs.get(name)!.peers].flatMap(([owner, { allowedIps }]) =>
      [...allowedIps]
        .map((text) => parsePrefix(text)!)
        .filter(({ bytes, length }) => toHex(maskPrefix(address, length).bytes) === toHex(bytes))
        .map(({ length }) => ({ owner, length })),
    );
    best.sort((a, b) => b.length - a.length);
    return best[0]?.owner === peer;
  }

  /** The whole file, as a reload hands it over. */
  wholeChange(name: string): DeviceChange {
    const { privateKey, peers } = this.configs.get(name)!;
    return {
      privateKey: new Secret(privateKey.slice()),
      replacePeers: true,
      peers: Array.from(peers.values(), (peer) => ({
        ...peerChange(peer),
        replaceAllowedIps: true,
      })),
    };
  }
}

export function peerChange(peer: PeerConfig): PeerChange {
  const { publicKey, presharedKey, endpoint, persistentKeepaliveS, allowedIps } = peer;
  return {
    publicKey,
    remove: false,
    updateOnly: false,
    presharedKey: presharedKey === null ? null : new Secret(presharedKey.slice()),
    persistentKeepaliveS,
    replaceAllowedIps: true,
    allowedIps: Array.from(allowedIps, (text): AllowedIpEdit => ({
      edit: 'add',
      prefix: parsePrefix(text)!,
    })),
    ...(endpoint === null ? {} : { endpoint }),
  };
}

/** A change of one peer that says nothing more than `change`. */
export function partialChange(publicKey: Uint8Array, change: Partial<PeerChange>): DeviceChange {
  const peer: PeerChange = {
    publicKey,
    remove: false,
    updateOnly: true,
    replaceAllowedIps: false,
    allowedIps: [],
    ...change,
  };
  return { replacePeers: false, peers: [peer] };
}
