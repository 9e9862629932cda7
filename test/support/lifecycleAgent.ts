// A process that brings a tunnel up as the daemon does, on a plain TUN interface or on a real
// device, and that can be made to die at any of its system calls. Run inside a namespace:
//
//   lifecycleAgent <options as JSON>
//
// Reads commands, one a line (`down`, `reload <file>`, `leave`), and answers each with a line of JSON.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { bringUp } from '../../src/agent/lifecycle/bringUp.js';
import type { LifecyclePorts } from '../../src/agent/lifecycle/lifecyclePorts.js';
import type { RunningTunnel } from '../../src/agent/lifecycle/runningTunnel.js';
import type { TunnelControl, TunnelHost } from '../../src/agent/lifecycle/tunnelControl.js';
import { openTunnel } from '../../src/agent/tunnel.js';
import { OperatorError } from '../../src/base/errors.js';
import { parseTunnelConfig } from '../../src/config/file/parseTunnelConfig.js';
import type { TunnelConfig } from '../../src/config/tunnelConfig.js';
import type { DeviceSnapshot } from '../../src/peer/change.js';
import { systemClock } from '../../src/platform/clock.js';
import { lookUpHost } from '../../src/platform/dns/hostLookup.js';
import { findCallerSession } from '../../src/platform/network/callerSession.js';
import { runCommand, type CommandRunner } from '../../src/platform/network/command.js';
import { LinuxTunnelNetwork } from '../../src/platform/network/tunnelNetwork.js';
import { interfaceIndex } from '../../src/platform/interfaceIndex.js';

export interface AgentOptions {
  readonly configFile: string;
  readonly interfaceName: string;
  readonly stateFolder: string;
  /** `plain`: an interface that is there already and stays. */
  readonly device: 'plain' | 'engine';
  readonly force: boolean;
  /** Kill -9 itself at the n-th change, before or after it is made. */
  readonly die: { readonly at: number; readonly when: 'before' | 'after' } | null;
  /** Only take back what an earlier run left. */
  readonly recoverOnly: boolean;
}

export type AgentAnswer =
  | { readonly event: 'up' | 'done' | 'recovered' | 'nothing' }
  | { readonly event: 'reloaded'; readonly changes: readonly string[] }
  | { readonly event: 'failed'; readonly code: string; readonly message: string }
  | { readonly event: 'warning' | 'step'; readonly text: string };

const options = JSON.parse(process.argv[2]!) as AgentOptions;
const answer = (line: AgentAnswer): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** Counts what changes the system, and dies where it is told to. */
let changes = 0;
const run: CommandRunner = async (program, args, how) => {
  const reads = ['show', 'get', 'status'].some((word) => args.includes(word));
  const here = !reads && ++changes === options.die?.at;
  if (here && options.die.when === 'before') process.kill(process.pid, 'SIGKILL');
  const output = await runCommand(program, args, how);
  if (here) process.kill(process.pid, 'SIGKILL');
  return output;
};

function readConfig(file: string): TunnelConfig {
  const parsed = parseTunnelConfig(readFileSync(file, 'utf8'), {
    file,
    name: options.interfaceName,
  });
  if (parsed.kind === 'refused') throw parsed.errors[0]!;
  return parsed.config;
}

const NO_DEVICE: DeviceSnapshot = {
  privateKey: null,
  publicKey: null,
  listenPort: 0,
  fwmark: 0,
  peers: [],
};

const plainHost: TunnelHost = {
  open: (interfaceName) =>
    Promise.resolve<TunnelControl>({
      interfaceName,
      applyChange: () => undefined,
      snapshot: () => NO_DEVICE,
      liveness: () => null,
      close: () => Promise.resolve(),
    }),
};

const quiet = (): void => undefined;
const engineHost: TunnelHost = {
  open: (name) =>
    openTunnel({
      source: { name, mtu: null },
      engine: { choice: 'sodium', queues: 1 },
      uapiFd: null,
      logger: { error: quiet, info: quiet, debug: quiet },
      onEnd: quiet,
    }),
};

const network = new LinuxTunnelNetwork({
  run,
  stateFolder: options.stateFolder,
  hookOutput: () => 'ignore',
});
const reporter = {
  progress: (text: string) => answer({ event: 'step', text }),
  warn: (text: string) => answer({ event: 'warning', text }),
};
const ports: LifecyclePorts = {
  host: options.device === 'plain' ? plainHost : engineHost,
  network,
  clock: systemClock(),
  lookUp: lookUpHost,
  zoneIndex: interfaceIndex,
  reporter,
  log: quiet,
  saveConfig: () => Promise.resolve(),
  startRetries: 15,
};
const caller = { session: findCallerSession(process.env, process.pid), force: options.force };

async function main(): Promise<void> {
  if (options.recoverOnly) {
    const recovered = await network.recover(options.interfaceName, reporter);
    answer({ event: recovered ? 'recovered' : 'nothing' });
    return;
  }
  const config = readConfig(options.configFile);
  const { privateKey } = config.interface;
  const request = { ...caller, interfaceName: options.interfaceName, privateKey };
  const tunnel = await bringUp(config, request, ports);
  answer({ event: 'up' });
  for await (const line of createInterface({ input: process.stdin }))
    if (await obey(line, tunnel)) return;
}

/** True to end. */
async function obey(line: string, tunnel: RunningTunnel): Promise<boolean> {
  const [word = '', file = ''] = line.split(' ');
  switch (word) {
    case 'down': {
      const failures = await tunnel.down({ ...caller, interfaceGone: false });
      for (const { message } of failures) reporter.warn(message);
      answer({ event: 'done' });
      return true;
    }
    case 'reload':
      await reload(tunnel, file).catch(fail);
      return false;
    case 'crash':
      process.kill(process.pid, 'SIGKILL');
      return true;
    default:
      throw new Error(`unknown command ${word}`);
  }
}

async function reload(tunnel: RunningTunnel, file: string): Promise<void> {
  const wanted = readConfig(file);
  const lines = await tunnel.reload({ ...caller, wanted, keyFromFile: null });
  answer({ event: 'reloaded', changes: lines });
}

function fail(error: unknown): void {
  const known = error instanceof OperatorError;
  answer({ event: 'failed', code: known ? error.code : 'bug', message: String(error) });
}

await main().catch(fail);
process.exit(0);
