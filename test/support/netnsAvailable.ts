// Whether network namespaces with TUN devices can be used here.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { SYSTEM_PATH } from './netnsProcess.js';

const TOOLS = ['ip', 'nft', 'wg'] as const;

/** Null if they can; else the first thing that is missing, as a short reason. */
export function namespacesUnavailable(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun is not there';
  }
  for (const tool of TOOLS) {
    const found = spawnSync('sh', ['-c', `command -v ${tool}`], { env: { PATH: SYSTEM_PATH } });
    if (found.status !== 0) return `${tool} is not installed`;
  }
  const probe = `beam-t-${process.pid}-probe`;
  const added = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (added.status !== 0) return `no network namespace can be made: ${added.stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', probe]);
  return null;
}
