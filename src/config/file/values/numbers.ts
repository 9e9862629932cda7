// Numbers of the configuration file. SPEC.md 7.2.
import { MAX_QUEUES } from '../../tunnelConfig.js';
import type { Report } from '../findings.js';
import { shown } from '../findings.js';

interface NumberRule {
  readonly what: string;
  readonly min: number;
  readonly max: number;
  /** Takes `off` for 0. */
  readonly off?: true;
  /** Takes hexadecimal after `0x`. */
  readonly hex?: true;
  readonly remedy: string;
}

const LISTEN_PORT: NumberRule = {
  what: 'a port number',
  min: 0,
  max: 65_535,
  remedy: 'write the number of a UDP port, or leave ListenPort out to have one chosen',
};
const FWMARK: NumberRule = {
  what: 'a mark: off, a number or 0x and hexadecimal digits',
  min: 0,
  max: 0xffff_ffff,
  off: true,
  hex: true,
  remedy: 'write a number such as 51820 or 0xca6c',
};
const KEEPALIVE: NumberRule = {
  what: 'off or a number of seconds',
  min: 0,
  max: 65_535,
  off: true,
  remedy: 'write 25, which keeps most NATs open, or off',
};
/** What a TUN device takes (Linux: MIN_MTU 68). */
const MTU: NumberRule = {
  what: 'a number of bytes',
  min: 68,
  max: 65_535,
  remedy: 'write a number such as 1420, or leave MTU out to have it computed',
};
const QUEUES: NumberRule = {
  what: 'a number of queues',
  min: 1,
  max: MAX_QUEUES,
  remedy: 'write 1, or a few less than the machine has cores',
};
const RESOLUTION: NumberRule = {
  what: 'off or a number of seconds',
  min: 5,
  max: 86_400,
  off: true,
  remedy: 'write a number such as 30, or off to look names up only at the start',
};

/** Null for "the system chooses". */
export function listenPort(text: string, report: Report): { port: number | null } | null {
  const port = number(text, LISTEN_PORT, report);
  return port === null ? null : { port: port === 0 ? null : port };
}

export const queues = (text: string, report: Report): number | null => number(text, QUEUES, report);

export const fwmark = (text: string, report: Report): number | null => number(text, FWMARK, report);

export const keepaliveS = (text: string, report: Report): number | null =>
  number(text, KEEPALIVE, report);

export const mtu = (text: string, report: Report): number | null => number(text, MTU, report);

export const resolutionS = (text: string, report: Report): number | null =>
  number(text, RESOLUTION, report);

function number(text: string, rule: NumberRule, report: Report): number | null {
  if (rule.off && text.toLowerCase() === 'off') return 0;
  const isNumber = /^[0-9]+$/.test(text) || (rule.hex && /^0x[0-9a-fA-F]+$/.test(text));
  const value = isNumber ? Number(text) : NaN;
  if (value >= rule.min && value <= rule.max) return value;
  return report.problem({
    code: 'E_CONFIG_NUMBER',
    expected: `${rule.what} from ${rule.min} to ${rule.max}`,
    found: shown(text),
    remedy: rule.remedy,
  });
}
