// What the network tests start from: a machine with nothing special, and settings in short form.
import { parseAddress, parsePrefix } from '../../../src/base/ip.js';
import type { NetworkFacts } from '../../../src/platform/network/facts.js';
import type { Rule } from '../../../src/platform/network/ipJson.js';
import type { NetworkSettings } from '../../../src/platform/network/settings.js';

export function rule(fields: Partial<Rule> & { readonly priority: number }): Rule {
  return {
    negated: false,
    source: null,
    destination: null,
    mark: null,
    inputInterface: null,
    table: null,
    suppressPrefixLength: null,
    other: false,
    ...fields,
  };
}

/** Those that Linux begins with. */
export const STANDARD_RULES: readonly Rule[] = [
  rule({ priority: 0, table: '255' }),
  rule({ priority: 32766, table: '254' }),
  rule({ priority: 32767, table: '253' }),
];

export function facts(fields: Partial<NetworkFacts> = {}): NetworkFacts {
  return {
    ipv6: true,
    pathMtu: 1500,
    rules: { 4: STANDARD_RULES, 6: STANDARD_RULES },
    freeTable: 51820,
    firewallTool: 'nft',
    dnsTool: { kind: 'resolvectl' },
    tableNumbers: new Map([['vpn', '100']]),
    ...fields,
  };
}

export interface ShortSettings extends Partial<
  Omit<NetworkSettings, 'addresses' | 'allowedIps' | 'dns'>
> {
  readonly addresses?: readonly string[];
  readonly allowedIps?: readonly string[];
  readonly dns?: readonly string[];
  readonly search?: readonly string[];
}

export function settings(short: ShortSettings = {}): NetworkSettings {
  const { addresses = [], allowedIps = [], dns = [], search = [], ...rest } = short;
  return {
    interfaceName: 'wg0',
    mtu: null,
    table: { kind: 'auto' },
    fwmark: 0,
    ...rest,
    addresses: addresses.map((text) => {
      const [address = '', length] = text.split('/');
      return { address: parseAddress(address)!, length: Number(length) };
    }),
    allowedIps: allowedIps.map((text) => parsePrefix(text)!),
    dns: { servers: dns.map((text) => parseAddress(text)!), search },
  };
}
