// Keys and files for the tests of the configuration. The keys are made from their names.
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { toBase64, toHex } from '../../../src/base/bytes.js';
import { formatPrefix } from '../../../src/base/ip.js';
import { parseTunnelConfig } from '../../../src/config/file/parseTunnelConfig.js';
import type { ConfigNotice } from '../../../src/config/file/findings.js';
import type { TunnelConfig, TunnelConfigFields } from '../../../src/config/tunnelConfig.js';

export const keyBytes = (name: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(name).digest());
export const key = (name: string): string => toBase64(keyBytes(name));
export const hexKey = (name: string): string => toHex(keyBytes(name));

export const INTERFACE = `[Interface]\nPrivateKey = ${key('own')}\n`;
export const peer = (name: string, ...lines: readonly string[]): string =>
  ['[Peer]', `PublicKey = ${key(name)}`, ...lines, ''].join('\n');

interface Accepted {
  readonly config: TunnelConfig;
  readonly notices: readonly ConfigNotice[];
}

/** Fails the test if the text is refused. */
export function accept(t: ExecutionContext, text: string): Accepted {
  const parsed = parseTunnelConfig(text, { file: 'beam0.conf', name: 'beam0' });
  if (parsed.kind === 'config') return parsed;
  t.fail(parsed.errors.map((error) => error.message).join('\n'));
  throw new Error('refused');
}

/** `code line` of each error, the line 0 for the whole file. */
export function refusals(t: ExecutionContext, text: string): string[] {
  const parsed = parseTunnelConfig(text, { file: 'beam0.conf', name: 'beam0' });
  if (parsed.kind === 'refused') {
    return parsed.errors.map(({ code, details }) => `${code} ${details.place.split(':')[1] ?? 0}`);
  }
  t.fail('accepted');
  return [];
}

/** What a configuration means, with its keys in the clear: without lines, and comparable. */
export function meaning(config: TunnelConfigFields): object {
  const { privateKey } = config.interface;
  return {
    name: config.name,
    interface: {
      ...config.interface,
      lines: null,
      privateKey: privateKey === null ? null : toBase64(privateKey.expose()),
    },
    beam: config.beam,
    peers: config.peers.map((one) => ({
      name: one.name,
      publicKey: toBase64(one.publicKey),
      presharedKey: one.presharedKey === null ? null : toBase64(one.presharedKey.expose()),
      endpoint: one.endpoint,
      allowedIps: one.allowedIps.map(formatPrefix),
      persistentKeepaliveS: one.persistentKeepaliveS,
    })),
  };
}
