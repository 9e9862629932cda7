// What a result has to say about the machine it was taken on, and the machine's busy time.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Load average of the minute before: what else ran. */
  readonly load: number;
  readonly commit: string;
  /** Uncommitted changes at the time. */
  readonly dirty: boolean;
  readonly date: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.version,
    load: loadavg()[0]!,
    commit: git('rev-parse', '--short', 'HEAD') || 'unknown',
    dirty: git('status', '--porcelain', '--', 'src', 'native') !== '',
    date: new Date().toISOString(),
  };
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** USER_HZ; fixed for user space on every architecture that Linux calls its own. */
const TICKS_PER_S = 100;

/**
 * Seconds in which any core was not idle since boot. The whole machine, because the work of the
 * network stack is charged to whoever happens to run.
 */
export function busyCpuSeconds(): number {
  const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))![1]!;
  const [user, nice, system, , , irq, softirq] = line.split(' ').map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_S;
}
