// The firewall table of a full tunnel, as text for nft or iptables-restore. SPEC.md 8.3.
import type { IpFamily } from '../../base/ip.js';
import type { CommandRunner } from './command.js';
import { isFailure } from './ipTool.js';
import type { FirewallItem } from './networkItem.js';

/** Netfilter's raw and mangle priorities (linux/netfilter_ipv4.h). */
const RAW = -300;
const MANGLE = -150;

/** nft takes letters, digits and `/ \ _ . -` in names; the rest of an interface's is written in hex. */
export const tableName = (device: string): string =>
  `beam-${device.replaceAll(/[^A-Za-z0-9_.-]/g, (c) => `/${Buffer.from(c).toString('hex')}`)}`;

const nftFamily = (family: IpFamily): string => (family === 4 ? 'ip' : 'ip6');

export function firewallText(item: FirewallItem, device: string, verb: 'add' | 'remove'): string {
  return item.tool === 'nft' ? nftText(item, device, verb) : iptablesText(item, device, verb);
}

/** One transaction. Adding replaces what is there; `add` first makes `delete` succeed always. */
function nftText(item: FirewallItem, device: string, verb: 'add' | 'remove'): string {
  const { mark } = item;
  const family = nftFamily(item.family);
  const table = `${family} ${tableName(device)}`;
  const clear = `add table ${table}\ndelete table ${table}\n`;
  if (verb === 'remove') return clear;
  const guards = item.addresses.map(
    (address) =>
      `    iifname != "${device}" ${family} daddr ${address} fib saddr type != local drop\n`,
  );
  return `${clear}table ${table} {
  chain preraw {
    type filter hook prerouting priority ${RAW}; policy accept;
${guards.join('')}  }
  chain postmangle {
    type filter hook postrouting priority ${MANGLE}; policy accept;
    meta l4proto udp meta mark ${mark} ct mark set meta mark
  }
  chain premangle {
    type filter hook prerouting priority ${MANGLE}; policy accept;
    meta l4proto udp ct mark ${mark} meta mark set ct mark
  }
}
`;
}

const iptablesComment = (device: string): string => `beam(8) rule for ${device}`;

function iptablesText(item: FirewallItem, device: string, verb: 'add' | 'remove'): string {
  const action = verb === 'add' ? '-I' : '-D';
  const tail = `-m comment --comment "${iptablesComment(device)}"`;
  const guards = item.addresses.map(
    (address) =>
      `${action} PREROUTING ! -i ${device} -d ${address} -m addrtype ! --src-type LOCAL -j DROP ${tail}\n`,
  );
  return `*raw
${guards.join('')}COMMIT
*mangle
${action} POSTROUTING -m mark --mark ${item.mark} -p udp -j CONNMARK --save-mark ${tail}
${action} PREROUTING -p udp -m connmark --mark ${item.mark} -j CONNMARK --restore-mark ${tail}
COMMIT
`;
}

export async function addFirewall(
  run: CommandRunner,
  item: FirewallItem,
  device: string,
): Promise<void> {
  if (item.tool === 'nft') {
    await run('nft', ['-f', '-'], { input: nftText(item, device, 'add') });
    return;
  }
  await removeFirewall(run, item, device);
  await run(restoreTool(item.family), ['--noflush'], { input: iptablesText(item, device, 'add') });
}

/** Removes the table, or with iptables every rule that carries our comment, whatever it says. */
export async function removeFirewall(
  run: CommandRunner,
  item: FirewallItem,
  device: string,
): Promise<void> {
  if (item.tool === 'nft') {
    await run('nft', ['-f', '-'], { input: nftText(item, device, 'remove') }).catch(
      ignoreUnsupported,
    );
    return;
  }
  const saved = await run(item.family === 4 ? 'iptables-save' : 'ip6tables-save', []);
  const deletions = iptablesDeletions(saved, device);
  if (deletions !== null) await run(restoreTool(item.family), ['--noflush'], { input: deletions });
}

/** A kernel without nf_tables can't hold our table either. */
function ignoreUnsupported(error: unknown): void {
  if (!isFailure(error, /Operation not supported|Protocol not supported/)) throw error;
}

const restoreTool = (family: IpFamily): string =>
  family === 4 ? 'iptables-restore' : 'ip6tables-restore';

/** From iptables-save's text: what deletes the interface's rules; null if there are none. */
export function iptablesDeletions(saved: string, device: string): string | null {
  const own = `--comment "${iptablesComment(device)}"`;
  const lines = saved.split('\n').flatMap((line) => {
    if (line.startsWith('*') || line === 'COMMIT') return [line];
    return line.startsWith('-A ') && line.includes(own) ? [`-D${line.slice(2)}`] : [];
  });
  return lines.some((line) => line.startsWith('-D')) ? `${lines.join('\n')}\n` : null;
}
