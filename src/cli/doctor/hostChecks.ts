// What a tunnel needs of the machine: judged from facts, nothing is read here. SPEC.md 9.5.
import { Verdicts, type Check } from './check.js';

/** Is this Node.js one of those in package.json's `engines`? `version` without the `v`. */
export function judgeNode(facts: { readonly version: string; readonly range: string }): Check {
  const check = new Verdicts('node', 'Node.js');
  const { version, range } = facts;
  if (satisfies(version, range)) return check.ok(`${version} is one that Beam runs on`);
  return check.fail(
    `${version} is not one of ${range}`,
    'install a current LTS version of Node.js',
  );
}

/** The forms that package.json uses: `^A.B.C` and `>=A.B.C`, joined by `||`. */
export function satisfies(version: string, range: string): boolean {
  const found = numbers(version);
  return range.split('||').some((part) => {
    const [, operator, wanted = ''] = /^(\^|>=)(\S+)$/.exec(part.trim()) ?? [];
    if (operator === undefined) throw new Error(`a range of another form: ${range}`);
    const least = numbers(wanted);
    if (operator === '^' && found[0] !== least[0]) return false;
    return isAtLeast(found, least);
  });
}

/** A pre-release counts as what it leads to. */
const numbers = (version: string): number[] => version.split('-')[0]!.split('.').map(Number);

function isAtLeast(found: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((part, i) => found[i] !== part);
  return at < 0 || found[at]! > least[at]!;
}

export interface AddonFacts {
  /** null where it is loaded; else why not. */
  readonly io: string | null;
  readonly engine: string | null;
  /** The engine's file, below Beam's own folder: built here, or prebuilt. */
  readonly file: string | null;
}

export function judgeAddon({ io, engine, file }: AddonFacts): Check {
  const check = new Verdicts('addon', 'native addons');
  if (engine === null && io === null) {
    return check.ok(`are loaded: the native engine serves (${file ?? ''})`);
  }
  if (engine === null) return check.ok(`serve with the native engine (${file ?? ''}; ${io ?? ''})`);
  if (io === null) return check.ok(`serve with the sodium engine (${engine})`);
  return check.warn(
    `cannot be loaded: the sodium engine serves, more slowly (${engine}; ${io})`,
    'npm run setup builds them',
  );
}

/** `errno` of opening /dev/net/tun for reading and writing; null where that worked. */
export interface TunFacts {
  readonly characterDevice: boolean;
  readonly errno: string | null;
}

const TUN_REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'modprobe tun; in a container, pass the device in (--device /dev/net/tun)',
  ENODEV: 'modprobe tun; the kernel may have been updated since the machine started',
  ENXIO: 'modprobe tun',
  EACCES: 'run as root, or chmod 0666 /dev/net/tun',
  EPERM: 'allow the device: DeviceAllow=/dev/net/tun rw in a unit, --device in a container',
};

export function judgeTun({ characterDevice, errno }: TunFacts): Check {
  const check = new Verdicts('tun', '/dev/net/tun');
  if (errno !== null) {
    return check.fail(`cannot be opened: ${errno}`, TUN_REMEDIES[errno] ?? 'modprobe tun');
  }
  if (characterDevice) return check.ok('opens');
  return check.fail(
    'is no character device',
    'rm /dev/net/tun && mknod /dev/net/tun c 10 200 && chmod 0666 /dev/net/tun',
  );
}

export function judgePrivileges({ netAdmin }: { readonly netAdmin: boolean }): Check {
  const check = new Verdicts('privileges', 'CAP_NET_ADMIN');
  return netAdmin
    ? check.ok('is in the effective set')
    : check.fail('is missing', 'run as root; in a unit AmbientCapabilities=CAP_NET_ADMIN');
}

export interface ToolFacts {
  readonly ip: boolean;
  readonly firewall: 'nft' | 'iptables' | null;
  readonly dns: 'resolvectl' | 'resolvconf' | null;
  /** Tunnels that take a default route. */
  readonly needFirewall: readonly string[];
  /** Tunnels with DNS servers. */
  readonly needDns: readonly string[];
}

export function judgeTools(facts: ToolFacts): Check[] {
  const check = (name: string): Verdicts => new Verdicts('tools', name);
  const { ip, firewall, dns, needFirewall, needDns } = facts;
  const checks = [
    ip
      ? check('ip').ok('is there')
      : check('ip').fail('is missing', 'install iproute2 (on OpenWrt: ip-full)'),
  ];
  if (firewall !== null) checks.push(check(firewall).ok('is there'));
  else if (needFirewall.length === 0) checks.push(check('nft').ok('is missing; nothing needs it'));
  else {
    const finding = `is missing, and so is iptables-restore; ${names(needFirewall)} must be guarded`;
    checks.push(check('nft').warn(finding, 'install nftables'));
  }
  if (dns !== null) checks.push(check(dns).ok('answers'));
  else if (needDns.length === 0) {
    checks.push(check('resolvectl or resolvconf').ok('is not there; nothing needs it'));
  } else {
    checks.push(
      check('resolvectl or resolvconf').warn(
        `is not there; the DNS servers of ${names(needDns)} cannot be set`,
        'install systemd-resolved or openresolv',
      ),
    );
  }
  return checks;
}

const names = (tunnels: readonly string[]): string => tunnels.join(', ');

export function judgeIpv6(facts: {
  readonly available: boolean;
  /** Tunnels with IPv6 addresses or endpoints. */
  readonly needed: readonly string[];
}): Check {
  const check = new Verdicts('ipv6', 'IPv6');
  if (facts.available) return check.ok('is there');
  if (facts.needed.length === 0) return check.ok('is off; nothing needs it');
  return check.warn(
    `is off; ${names(facts.needed)} needs it`,
    'set net.ipv6.conf.all.disable_ipv6 and net.ipv6.conf.default.disable_ipv6 to 0',
  );
}

export interface ClockFacts {
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly builtMs: number;
  /** null where nobody can be asked. */
  readonly synchronised: boolean | null;
}

/** TAI64N: a peer refuses the handshakes of a clock that was set back. */
export function judgeClock({ nowMs, builtMs, synchronised }: ClockFacts): Check {
  const check = new Verdicts('clock', 'system time');
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  if (nowMs < builtMs) {
    return check.fail(
      `${now} is earlier than Beam's own build: peers may refuse the handshakes as replays`,
      'set the clock (timedatectl set-ntp true, or chronyd)',
    );
  }
  if (synchronised === null) return check.ok(`${now}; nobody tells whether it is synchronised`);
  if (synchronised) return check.ok(`${now} is synchronised`);
  return check.warn(`${now} is not synchronised`, 'timedatectl set-ntp true, or run chronyd');
}

const BUFFER_BYTES = 1024 * 1024;

/** Bytes; null where this network namespace doesn't show the setting. */
export interface BufferFacts {
  readonly rmemMax: number | null;
  readonly wmemMax: number | null;
}

export function judgeBuffers({ rmemMax, wmemMax }: BufferFacts): Check[] {
  return [judgeBuffer('net.core.rmem_max', rmemMax), judgeBuffer('net.core.wmem_max', wmemMax)];
}

function judgeBuffer(setting: string, bytes: number | null): Check {
  const check = new Verdicts('udpBuffers', setting);
  if (bytes === null) return check.ok('cannot be seen in this network namespace');
  if (bytes >= BUFFER_BYTES) return check.ok(`is ${bytes}`);
  return check.warn(
    `is ${bytes}, under ${BUFFER_BYTES}: bursts may be lost`,
    `sysctl -w ${setting}=${4 * BUFFER_BYTES}`,
  );
}
