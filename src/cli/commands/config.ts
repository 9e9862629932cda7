// strip, config check, config diff: files without touching a tunnel. SPEC.md 7.5 and 9.1.
import { basename } from 'node:path';
import { parseTunnelConfig } from '../../config/file/parseTunnelConfig.js';
import { stripConfig } from '../../config/file/stripConfig.js';
import { destroyTunnelConfig } from '../../config/tunnelConfig.js';
import {
  findTunnel,
  listTunnels,
  readConfigFile,
  worldAccessibleWarning,
} from '../../platform/configFiles.js';
import { askDaemon, listControlSockets } from '../../platform/controlClient.js';
import type { TunnelDiff } from '../../ports/control.js';
import { EXIT, reportFailure, resultOf, say } from '../report.js';

export async function strip({ tunnel }: { readonly tunnel: string }): Promise<number> {
  const { path } = await findTunnel(tunnel);
  const { text } = await readConfigFile(path);
  process.stdout.write(stripConfig(text));
  return EXIT.OK;
}

/** All errors of all files; without a file, of all files in both folders. */
export async function check({ files }: { readonly files: readonly string[] }): Promise<number> {
  const paths = files.length > 0 ? files : (await listTunnels()).map(({ path }) => path);
  let status: number = EXIT.OK;
  for (const path of paths) status = Math.max(status, await checkFile(path));
  return status;
}

async function checkFile(path: string): Promise<number> {
  try {
    const { text, worldAccessible } = await readConfigFile(path);
    const name = basename(path, '.conf');
    const parsed = parseTunnelConfig(text, { file: path, name });
    if (parsed.kind === 'refused') throw new AggregateError(parsed.errors, path);
    destroyTunnelConfig(parsed.config);
    if (worldAccessible) say(worldAccessibleWarning(path));
    for (const notice of parsed.notices) say(`${notice.code} ${notice.place}: ${notice.text}`);
    process.stdout.write(`${path}: ok\n`);
    return EXIT.OK;
  } catch (error) {
    return reportFailure(error);
  }
}

export interface DiffArguments {
  /** Tunnels or interfaces; every tunnel that has a file if there is none. */
  readonly names: readonly string[];
  readonly json: boolean;
}

const ANSWER_MS = 10_000;

/** What a reload would change. Of all tunnels, one that can't be asked keeps none from being told. */
export async function diff({ names: asked, json }: DiffArguments): Promise<number> {
  const names =
    asked.length === 0 ? await listControlSockets() : await Promise.all(asked.map(nameOf));
  const tunnels: TunnelDiff[] = [];
  let status: number = EXIT.OK;
  for (const name of names) {
    try {
      const answer = await askDaemon(name, { method: 'diff' }, { timeoutMs: ANSWER_MS });
      // A drop-in has no file to differ from; it matters only to who asked for it by name.
      if (!answer.ok && asked.length === 0 && answer.errors[0]?.code === 'E_NO_CONFIG') continue;
      const result = resultOf(answer);
      if (result.kind === 'diff') tunnels.push(result.diff);
    } catch (error) {
      if (asked.length > 0) throw error;
      status = Math.max(status, reportFailure(error));
    }
  }
  if (json) printJson(tunnels);
  else for (const tunnel of tunnels) printDiff(tunnel, names.length > 1);
  return status;
}

function printJson(tunnels: readonly TunnelDiff[]): void {
  const plain = tunnels.map((tunnel) => ({ ...tunnel, lines: undefined }));
  process.stdout.write(`${JSON.stringify({ format: 1, tunnels: plain })}\n`);
}

function printDiff({ interface: name, lines }: TunnelDiff, prefix: boolean): void {
  for (const line of lines) process.stdout.write(`${prefix ? `${name}: ` : ''}${line}\n`);
  if (lines.length === 0) say(`${name}: nothing would change`);
}

const nameOf = async (name: string): Promise<string> =>
  name.includes('/') || name.endsWith('.conf') ? (await findTunnel(name)).interfaceName : name;
