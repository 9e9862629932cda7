// What is measured: Beam's engines, Beam's packet path with other ciphers, and other userspace VPNs.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Network } from '../test/support/netnsNetwork.js';
import type { Ends } from '../test/support/netnsTopology.js';
import { foregroundCommand } from '../test/support/netnsTunnel.js';
import type { Tunnel } from '../test/support/netnsTunnel.js';
import { startNebula } from './nebula.js';
import { startSessions } from './sessions.js';
import { startWireGuard } from './wireguard.js';

/** Both ends of a tunnel, up and answering. */
export interface Running {
  /** Resident bytes of one end's process; null where the process isn't what a user would run. */
  residentBytes(): number | null;
  /** Both ends where `wg` configures them; null elsewhere. */
  readonly tunnels: { readonly a: Tunnel; readonly b: Tunnel } | null;
}

export interface Subject {
  /** As the table shows it. */
  readonly name: string;
  readonly version: string;
  /**
   * `all`: every figure that it can give. `streams`: TCP alone, for packet paths that differ from
   * another column in the cipher only.
   */
  readonly figures: 'all' | 'streams';
  /** Its packets are WireGuard's type 4, so that the bytes of a frame are known. */
  readonly wireGuardFrames: boolean;
  readonly start: (net: Network, ends: Ends) => Promise<Running>;
}

export const NATIVE = 'beam native';
export const AES_GCM = 'beam AES-256-GCM';
export const NULL_CIPHER = 'beam null cipher';
export const NEWEST_PEER = 'wireguard-go new';
export const NEBULA = 'nebula';

/** Beam once for each engine, and the native packet path with two other ciphers. */
export function beamSubjects(version: string): Subject[] {
  const command = foregroundCommand('beam', '').slice(0, -1);
  const engine = (choice: string): Subject => ({
    name: `beam ${choice}`,
    version,
    figures: 'all',
    wireGuardFrames: true,
    start: (net, ends) =>
      startWireGuard(net, ends, {
        implementation: 'beam',
        command,
        env: { BEAM_ENGINE: choice, LOG_LEVEL: 'error' },
      }),
  });
  const session = (name: string, options: Parameters<typeof startSessions>[2]): Subject => ({
    name,
    version,
    figures: 'streams',
    wireGuardFrames: true,
    start: (net, ends) => startSessions(net, ends, options),
  });
  return [
    engine('sodium'),
    engine('native'),
    session(AES_GCM, { suite: 'aes-256-gcm', use: {} }),
    session(NULL_CIPHER, { suite: 'aes-256-gcm', use: { cipher: 'nullForBench' } }),
  ];
}

/**
 * The wireguard-go in PATH, and what scripts/fetchPeer.sh fetched, or BEAM_BENCH_PEER and
 * BEAM_BENCH_NEBULA name instead. One that can't be run is said and left out.
 */
export function peerSubjects(): Subject[] {
  const subjects = [
    wireguardGo('wireguard-go', 'wireguard-go'),
    wireguardGo(NEWEST_PEER, process.env['BEAM_BENCH_PEER'] ?? fetched('wireguard-go')),
    nebulaSubject(process.env['BEAM_BENCH_NEBULA'] ?? fetched('nebula')),
  ];
  return subjects.filter((subject) => subject !== null);
}

/** Where fetchPeer.sh puts a package's program. */
const fetched = (name: string): string => resolve('build/peers', name, 'root/usr/bin', name);

function wireguardGo(name: string, path: string): Subject | null {
  const version = versionOf(path, '--version');
  if (version === null) return null;
  return {
    name,
    version,
    figures: 'all',
    wireGuardFrames: true,
    start: (net, ends) =>
      startWireGuard(net, ends, {
        implementation: 'wireguard-go',
        command: [path, '-f'],
        env: { LOG_LEVEL: 'error' },
      }),
  };
}

function nebulaSubject(path: string): Subject | null {
  const version = versionOf(path, '-version');
  if (version === null) return null;
  return {
    name: NEBULA,
    version,
    figures: 'all',
    wireGuardFrames: false,
    start: (net, ends) => startNebula(net, ends, path),
  };
}

function versionOf(path: string, argument: string): string | null {
  try {
    const text = execFileSync(path, [argument], { encoding: 'utf8' });
    return /v?(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? 'unknown';
  } catch (error) {
    const reason = existsSync(path) ? String(error) : 'not there (scripts/fetchPeer.sh)';
    console.error(`bench: ${path} can't be run and is left out: ${reason}`);
    return null;
  }
}
