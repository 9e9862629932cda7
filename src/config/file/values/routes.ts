// AllowedIPs and Table. SPEC.md 7.2.
import { addressBits, formatPrefix, maskPrefix, parseAddress } from '../../../base/ip.js';
import type { AllowedIpEdit } from '../../../peer/change.js';
import type { RouteTable } from '../../tunnelConfig.js';
import type { Report } from '../findings.js';
import { shown } from '../findings.js';

/** `text` holds no white space. */
export function allowedIps(text: string, report: Report): AllowedIpEdit[] | null {
  if (text === '') return [];
  const edits: AllowedIpEdit[] = [];
  let good = true;
  for (const item of text.split(',')) {
    const edit = allowedIp(item, report);
    if (edit === null) good = false;
    else edits.push(edit);
  }
  return good ? edits : null;
}

function allowedIp(item: string, report: Report): AllowedIpEdit | null {
  const signed = item.startsWith('+') || item.startsWith('-');
  const [addressText = '', lengthText, ...rest] = (signed ? item.slice(1) : item).split('/');
  const address = parseAddress(addressText);
  if (address !== null && rest.length === 0) {
    const bits = addressBits(address.family);
    const length = lengthText === undefined ? bits : prefixLength(lengthText);
    if (length <= bits) {
      const prefix = maskPrefix(address, length);
      if (!Buffer.from(prefix.bytes).equals(address.bytes))
        noticeHostBits(item, formatPrefix(prefix), report);
      return { edit: item.startsWith('-') ? 'remove' : 'add', prefix };
    }
  }
  const length = address === null ? '' : ` and a length from 0 to ${addressBits(address.family)}`;
  return report.problem({
    code: 'E_CONFIG_ROUTE',
    expected: `an IPv4 or IPv6 address${length}`,
    found: shown(item),
    remedy: 'write prefixes such as 10.0.0.0/8 or fd00::/64, separated by commas',
  });
}

/** Leading zeros are allowed, as `wg` allows them. */
const prefixLength = (text: string): number =>
  /^[0-9]{1,8}$/.test(text) ? Number(text) : Infinity;

const noticeHostBits = (item: string, cut: string, report: Report): void =>
  report.notice('W_CONFIG_HOST_BITS', `${shown(item)} has bits past its length: taken as ${cut}`);

export function table(text: string, report: Report): RouteTable | null {
  const lower = text.toLowerCase();
  if (lower === 'auto' || lower === '') return { kind: 'auto' };
  if (lower === 'off') return { kind: 'off' };
  if (/^(0x[0-9a-f]+|[0-9]+)$/.test(lower)) {
    const number = Number(lower);
    if (number >= 1 && number <= 0xffff_ffff) return { kind: 'table', id: String(number) };
  } else if (/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(text)) return { kind: 'table', id: text };
  return report.problem({
    code: 'E_CONFIG_ROUTE',
    expected: 'auto, off, the number of a routing table from 1 to 4294967295, or its name',
    found: shown(text),
    remedy: 'leave Table out unless routes shall go elsewhere',
  });
}
