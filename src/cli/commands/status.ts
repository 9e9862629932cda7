// `beam status`: once, again and again, or for a program. SPEC.md 9.1 and 9.5.
import { setTimeout as pause } from 'node:timers/promises';
import { toBase64 } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { parseGet } from '../../config/uapi/parseGet.js';
import { findTunnel } from '../../platform/configFiles.js';
import { interfaceIndex } from '../../platform/interfaceIndex.js';
import { uapiGet } from '../../platform/uapiClient.js';
import { EXIT, say } from '../report.js';
import { gatherTunnels, type TunnelReport } from '../status/gather.js';
import { renderTunnels } from '../status/render.js';

export interface StatusArguments {
  readonly name: string | undefined;
  readonly json: boolean;
  readonly stats: boolean;
  /** Seconds between two pictures; null for one picture. */
  readonly watchS: number | null;
}

const CLEAR_SCREEN = '\x1b[H\x1b[2J\x1b[3J';

export async function status(args: StatusArguments): Promise<number> {
  const name = args.name === undefined ? null : await interfaceOf(args.name);
  for (;;) {
    const text = await draw(name, args);
    if (args.watchS !== null && !args.json && process.stdout.isTTY) {
      process.stdout.write(CLEAR_SCREEN);
    }
    process.stdout.write(text);
    if (args.watchS === null) return EXIT.OK;
    await pause(args.watchS * 1000);
  }
}

async function draw(name: string | null, args: StatusArguments): Promise<string> {
  const reports = await gatherTunnels(name);
  if (args.json) return `${JSON.stringify({ format: 1, tunnels: reports })}\n`;
  if (reports.length === 0) say('no tunnel is up');
  const showKeys = process.env['WG_HIDE_KEYS'] === 'never';
  const pictures: string[] = [];
  for (const report of reports) {
    pictures.push(
      renderTunnels([report], {
        colours: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
        stats: args.stats,
        nowMs: Date.now(),
        secrets: showKeys ? await secretsOf(report) : null,
      }),
    );
  }
  return pictures.join('\n');
}

const ANSWER_MS = 5_000;

/** By `private` and by the public key of each peer, in base64. */
async function secretsOf(report: TunnelReport): Promise<Map<string, string>> {
  const secrets = new Map<string, string>();
  if ('error' in report) return secrets;
  const outcome = parseGet(
    await uapiGet(report.interface, { timeoutMs: ANSWER_MS }),
    interfaceIndex,
  );
  if (outcome.kind !== 'device') return secrets;
  const { privateKey, peers } = outcome.device;
  if (privateKey !== null) secrets.set('private', toBase64(privateKey.expose()));
  privateKey?.destroy();
  for (const { publicKey, presharedKey } of peers) {
    if (presharedKey !== null) secrets.set(toBase64(publicKey), toBase64(presharedKey.expose()));
    presharedKey?.destroy();
  }
  return secrets;
}

async function interfaceOf(name: string): Promise<string> {
  if (name.includes('/') || name.endsWith('.conf')) return (await findTunnel(name)).interfaceName;
  return name;
}

const MIN_WATCH_S = 1;
const MAX_WATCH_S = 3_600;
const DEFAULT_WATCH_S = 2;

/** `--watch` alone is the empty text. Throws OperatorError E_USAGE. */
export function watchSeconds(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (text === '') return DEFAULT_WATCH_S;
  const seconds = Number(text);
  if (seconds >= MIN_WATCH_S && seconds <= MAX_WATCH_S) return seconds;
  throw new OperatorError({
    code: 'E_USAGE',
    place: '--watch',
    expected: `a number of seconds from ${MIN_WATCH_S} to ${MAX_WATCH_S}`,
    found: JSON.stringify(text),
    remedy: 'leave the number out for every 2 seconds',
  });
}
