// What is measured: Beam's engines and other userspace WireGuards, each as a command that serves an
// interface in the foreground.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { foregroundCommand } from '../test/support/netnsTunnel.js';
import type { Implementation } from '../test/support/netnsTunnel.js';

export interface Subject {
  /** As the table shows it. */
  readonly name: string;
  readonly implementation: Implementation;
  /** The interface's name is added to it. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

const ENGINES = ['sodium', 'native'] as const;

/** Beam once for each engine. One that can't start here is left out when it fails. */
export function beamSubjects(version: string): Subject[] {
  const command = foregroundCommand('beam', '').slice(0, -1);
  return ENGINES.map((engine) => ({
    name: `beam ${engine}`,
    implementation: 'beam',
    command,
    env: { BEAM_ENGINE: engine, LOG_LEVEL: 'error' },
    version,
  }));
}

/** The wireguard-go in PATH, and the one that BEAM_BENCH_PEER names (scripts/fetchPeer.sh). */
export function peerSubjects(): Subject[] {
  const subjects = [wireguardGo('wireguard-go', 'wireguard-go')];
  const newer = process.env['BEAM_BENCH_PEER'];
  if (newer !== undefined) subjects.push(wireguardGo('wireguard-go new', newer));
  return subjects.filter((subject) => subject !== null);
}

function wireguardGo(name: string, path: string): Subject | null {
  try {
    if (path.includes('/')) accessSync(path, constants.X_OK);
    const text = execFileSync(path, ['--version'], { encoding: 'utf8' });
    const version = /v?(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? 'unknown';
    return {
      name,
      implementation: 'wireguard-go',
      command: [path, '-f'],
      env: { LOG_LEVEL: 'error' },
      version,
    };
  } catch (error) {
    console.error(`bench: ${path} can't be run and is left out: ${String(error)}`);
    return null;
  }
}
