// Whether the peers' endpoints lead anywhere: judged from facts, nothing is asked here. SPEC.md 9.5.
import type { IpFamily } from '../../base/ip.js';
import { Verdicts, type Check } from './check.js';

export interface EndpointFacts {
  /** `host:port` as the configuration has it. */
  readonly endpoint: string;
  /** Why its name has no address; null where it has some. */
  readonly lookUpFailure: string | null;
  readonly addresses: readonly EndpointAddress[];
}

export interface EndpointAddress {
  readonly address: string;
  readonly family: IpFamily;
  /** That a packet to it leaves by; null where no route takes it. */
  readonly device: string | null;
}

export function judgeEndpoint(name: string, facts: EndpointFacts): Check {
  const check = new Verdicts('endpoints', name);
  const { endpoint, lookUpFailure, addresses } = facts;
  if (lookUpFailure !== null || addresses.length === 0) {
    return check.fail(
      `cannot resolve ${endpoint}: ${lookUpFailure ?? 'no address'}`,
      'check the name in Endpoint and the DNS servers of this machine',
    );
  }
  const listed = addresses.map(({ address }) => address).join(', ');
  const routed = addresses.filter(({ device }) => device !== null);
  if (routed.length > 0 && routed.every(({ device }) => device === name)) {
    return check.warn(
      `sends what it encrypts for ${endpoint} into itself`,
      `give ${routed[0]!.address} a route of its own, or leave it out of AllowedIPs`,
    );
  }
  if (routed.length > 0) {
    const isLiteral = addresses.length === 1 && endpoint.includes(addresses[0]!.address);
    return check.ok(isLiteral ? `has a route to ${endpoint}` : `resolves ${endpoint} to ${listed}`);
  }
  const families = [...new Set(addresses.map(({ family }) => `IPv${family}`))].join(' and ');
  return check.warn(
    `has no route to ${endpoint} (${listed})`,
    `check this machine's ${families} routes (ip route get ${addresses[0]!.address})`,
  );
}
