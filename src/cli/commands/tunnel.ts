// up, run, down, reload, save: the tunnels of configuration files. SPEC.md 9.1.
import { OperatorError } from '../../base/errors.js';
import { destroyTunnelConfig } from '../../config/tunnelConfig.js';
import { systemClock } from '../../platform/clock.js';
import { findTunnel, type TunnelFile } from '../../platform/configFiles.js';
import { askDaemon } from '../../platform/controlClient.js';
import { controlSocketPath } from '../../platform/controlServer.js';
import { lookUpHost } from '../../platform/dns/hostLookup.js';
import { interfaceIndex } from '../../platform/interfaceIndex.js';
import { findCallerSession } from '../../platform/network/callerSession.js';
import { LinuxTunnelNetwork } from '../../platform/network/tunnelNetwork.js';
import { uapiSocketPath } from '../../platform/uapiServer.js';
import { removeDeadSocket } from '../../platform/unixSocket.js';
import type { ControlCaller } from '../../ports/control.js';
import { startInBackground } from '../background.js';
import { EXIT, resultOf, say } from '../report.js';
import { version } from '../version.js';

export interface TunnelArguments {
  /** A name or a path. */
  readonly tunnel: string;
  readonly force: boolean;
}

export interface UpArguments extends TunnelArguments {
  /** Only say what would be done. */
  readonly dryRun: boolean;
}

export async function up({ tunnel, force, dryRun }: UpArguments): Promise<number> {
  const { path, interfaceName } = await findTunnel(tunnel);
  if (dryRun) return rehearse(path, interfaceName);
  const args = ['run', path, ...(force ? ['--force'] : [])];
  return startInBackground({ args, showSteps: true, inherited: new Map() });
}

/** Prints the steps of an up; nothing is changed. */
async function rehearse(path: string, interfaceName: string): Promise<number> {
  const { loadConfig } = await import('../../agent/configSource.js');
  const { dryRun } = await import('../../agent/lifecycle/dryRun.js');
  const credentialsFolder = process.env['CREDENTIALS_DIRECTORY'] ?? null;
  const { config, keyFromFile, warnings } = await loadConfig({
    path,
    interfaceName,
    credentialsFolder,
  });
  const session = findCallerSession(process.env, process.pid);
  try {
    const rehearsal = await dryRun(
      config,
      { interfaceName, session },
      {
        network: new LinuxTunnelNetwork(),
        lookUp: lookUpHost,
        clock: systemClock(),
        zoneIndex: interfaceIndex,
      },
    );
    for (const warning of [...warnings, ...rehearsal.warnings]) say(warning);
    process.stdout.write(rehearsal.lines.map((line) => `${line}\n`).join(''));
    if (rehearsal.lockout !== null) say(`it would be refused: ${rehearsal.lockout}`);
    return rehearsal.lockout === null ? EXIT.OK : EXIT.OPERATOR;
  } finally {
    destroyTunnelConfig(config);
    keyFromFile?.destroy();
  }
}

export async function run({ tunnel, force }: TunnelArguments): Promise<number> {
  const { interfaceName, path } = await findTunnel(tunnel);
  const { runDaemon } = await import('../../agent/daemon.js');
  const { ManagedService } = await import('../../agent/managedService.js');
  return runDaemon({
    interfaceName,
    env: process.env,
    logLevel: 'info',
    createService: (context) =>
      new ManagedService(
        { interfaceName, configPath: path, version: version(), force, env: process.env },
        context,
      ),
  });
}

export async function down({ tunnel, force }: TunnelArguments): Promise<number> {
  const { interfaceName } = await tunnelOrName(tunnel);
  try {
    const request = { method: 'down', ...caller(force) } as const;
    resultOf(await askDaemon(interfaceName, request, { timeoutMs: null }));
    return EXIT.OK;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'E_NO_DAEMON') throw error;
    return recover(interfaceName, error);
  }
}

/** The daemon is dead: what its state file lists is taken back without it. */
async function recover(interfaceName: string, noDaemon: OperatorError): Promise<number> {
  const reporter = { progress: (line: string) => say(`[#] ${line}`), warn: say };
  const recovered = await new LinuxTunnelNetwork().recover(interfaceName, reporter);
  await removeDeadSocket(controlSocketPath(interfaceName));
  await removeDeadSocket(uapiSocketPath(interfaceName));
  if (recovered) return EXIT.OK;
  throw noDaemon;
}

export async function reload({ tunnel, force }: TunnelArguments): Promise<number> {
  const { interfaceName } = await tunnelOrName(tunnel);
  const request = { method: 'reload', ...caller(force) } as const;
  const result = resultOf(await askDaemon(interfaceName, request, { timeoutMs: null }));
  if (result.kind === 'reloaded') {
    for (const change of result.changes) process.stdout.write(`${change}\n`);
    if (result.changes.length === 0) say(`${interfaceName}: nothing changed`);
  }
  return EXIT.OK;
}

export async function save({ tunnel }: Pick<TunnelArguments, 'tunnel'>): Promise<number> {
  const { interfaceName } = await tunnelOrName(tunnel);
  resultOf(await askDaemon(interfaceName, { method: 'save' }, { timeoutMs: null }));
  return EXIT.OK;
}

/** A running tunnel needs no file any more. */
async function tunnelOrName(tunnel: string): Promise<Pick<TunnelFile, 'interfaceName'>> {
  try {
    return await findTunnel(tunnel);
  } catch (error) {
    const isName = error instanceof OperatorError && error.code === 'E_NO_CONFIG';
    if (!isName || tunnel.includes('/') || tunnel.endsWith('.conf')) throw error;
    return { interfaceName: tunnel };
  }
}

const caller = (force: boolean): ControlCaller => ({
  force,
  session: findCallerSession(process.env, process.pid),
});
