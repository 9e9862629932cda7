// How a contract test is registered: an open engine with one peer that owns 10.0.0.0/24 and
// fd00:1::/64 at remote 0, closed again whatever happens.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { parsePrefix } from '../../src/base/ip.js';
import type { IpPrefix } from '../../src/base/ip.js';
import type { DataPlane, DataPlaneEvent, PeerId } from '../../src/ports/dataPlane.js';
import { peerId } from '../../src/ports/dataPlane.js';
import type { EngineHarness } from './engineHarness.js';

export interface EngineUnderTest {
  readonly name: string;
  readonly open: () => Promise<EngineHarness>;
}

/** The peer that every contract test starts with. */
export const PEER = peerId(0);
/** Inner addresses: ours, and one that the peer may use. */
export const OURS = '10.9.9.9';
export const THEIRS = '10.0.0.1';
export const OURS_V6 = 'fd00:9::9';
export const THEIRS_V6 = 'fd00:1::1';

export const prefix = (text: string): IpPrefix => parsePrefix(text)!;

export function addAllowedIps(engine: DataPlane, peer: PeerId, ...texts: string[]): void {
  engine.changeAllowedIps(peer, { replace: false, add: texts.map(prefix), remove: [] });
}

export function contractTest(
  { name, open }: EngineUnderTest,
  claim: string,
  body: (t: ExecutionContext, harness: EngineHarness) => Promise<void> | void,
): void {
  test(`${name}: ${claim}`, async (t) => {
    const harness = await open();
    try {
      harness.engine.addPeer(PEER);
      harness.engine.setPath(PEER, harness.path(0));
      addAllowedIps(harness.engine, PEER, '10.0.0.0/24', 'fd00:1::/64');
      await body(t, harness);
      t.false(harness.listenerReentered, 'the listener was called from inside a call');
    } finally {
      await harness.close();
    }
  });
}

type Of<Kind extends DataPlaneEvent['kind']> = Extract<DataPlaneEvent, { kind: Kind }>;

export function of<Kind extends DataPlaneEvent['kind']>(
  events: readonly DataPlaneEvent[],
  kind: Kind,
): Of<Kind>[] {
  return events.filter((event): event is Of<Kind> => event.kind === kind);
}

export const kinds = (events: readonly DataPlaneEvent[]): string[] =>
  events.map(({ kind }) => kind);
