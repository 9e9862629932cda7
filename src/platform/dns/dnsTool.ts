// Which program answers for the system's name resolution, and how it is told about a tunnel's
// servers. /etc/resolv.conf itself is never written. SPEC.md 8.4.
import { readFile, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { findExecutable, type CommandRunner } from '../network/command.js';
import type { DnsItem } from '../network/networkItem.js';

export type DnsTool =
  | { readonly kind: 'resolvectl' }
  /** `recordPrefix` orders the record among others: see resolvconf's interface-order. */
  | { readonly kind: 'resolvconf'; readonly recordPrefix: string }
  | { readonly kind: 'none' };

const RESOLV_CONF = '/etc/resolv.conf';
const INTERFACE_ORDER = '/etc/resolvconf/interface-order';
/** D-Bus without anybody at its other end. */
const RESOLVECTL_TIMEOUT_MS = 5_000;

export async function detectDnsTool(run: CommandRunner): Promise<DnsTool> {
  const hasResolvconf = await resolvconfIsItself();
  if (findExecutable('resolvectl') !== null) {
    const asked = (await resolvedIsAsked()) || !hasResolvconf;
    if (asked && (await resolvedAnswers(run))) return { kind: 'resolvectl' };
  }
  if (!hasResolvconf) return { kind: 'none' };
  const order = await readFile(INTERFACE_ORDER, 'utf8').catch(() => null);
  return { kind: 'resolvconf', recordPrefix: order === null ? '' : recordPrefix(order) };
}

/** systemd's resolvconf is resolvectl by another name: without resolved it does nothing. */
async function resolvconfIsItself(): Promise<boolean> {
  const path = findExecutable('resolvconf');
  return path !== null && basename(await realpath(path)) !== 'resolvectl';
}

async function resolvedAnswers(run: CommandRunner): Promise<boolean> {
  return run('resolvectl', ['status', '--no-pager'], { timeoutMs: RESOLVECTL_TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
}

/** systemd-resolved.service(8), "/etc/resolv.conf": the modes in which resolved gets the questions. */
async function resolvedIsAsked(): Promise<boolean> {
  const target = await realpath(RESOLV_CONF).catch(() => '');
  if (/^(\/run|\/usr\/lib|\/lib)\/systemd\//.test(target)) return true;
  return asksStub(await readFile(RESOLV_CONF, 'utf8').catch(() => ''));
}

/** resolved's own addresses are the only servers. */
export function asksStub(resolvConf: string): boolean {
  const servers = [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]!);
  return servers.length > 0 && servers.every((s) => s === '127.0.0.53' || s === '127.0.0.54');
}

/** The first pattern of the form `tun*`, with the dot that Debian's resolvconf wants behind it. */
export function recordPrefix(interfaceOrder: string): string {
  const pattern = /^([A-Za-z0-9-]+)\*$/m.exec(interfaceOrder)?.[1];
  return pattern === undefined ? '' : `${pattern}.`;
}

export async function setDns(run: CommandRunner, item: DnsItem, device: string): Promise<void> {
  if (item.tool === 'resolvconf') {
    await run('resolvconf', ['-a', item.record, '-m', '0', '-x'], { input: resolvconfText(item) });
    return;
  }
  const domains = [...item.search, ...(item.allDomains ? ['~.'] : [])];
  await run('resolvectl', ['dns', device, ...item.servers], { timeoutMs: RESOLVECTL_TIMEOUT_MS });
  await run('resolvectl', ['domain', device, ...domains], { timeoutMs: RESOLVECTL_TIMEOUT_MS });
  const defaultRoute = item.allDomains ? 'true' : 'false';
  // Missing before systemd 240, which decides by the domains alone.
  await run('resolvectl', ['default-route', device, defaultRoute], {
    timeoutMs: RESOLVECTL_TIMEOUT_MS,
  }).catch(() => undefined);
}

export function resolvconfText(item: Pick<DnsItem, 'servers' | 'search'>): string {
  const servers = item.servers.map((server) => `nameserver ${server}\n`).join('');
  return item.search.length === 0 ? servers : `${servers}search ${item.search.join(' ')}\n`;
}

/** Succeeds where nothing is set any more. */
export async function revertDns(run: CommandRunner, item: DnsItem, device: string): Promise<void> {
  if (findExecutable(item.tool) === null) return;
  if (item.tool === 'resolvconf') {
    await run('resolvconf', ['-d', item.record, '-f']);
    return;
  }
  // resolved forgets an interface by itself when it is deleted; then there is nothing to revert.
  await run('resolvectl', ['revert', device], { timeoutMs: RESOLVECTL_TIMEOUT_MS }).catch(
    () => undefined,
  );
}
