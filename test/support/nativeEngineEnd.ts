// One end of a tunnel without a control plane, run inside a namespace: the native engine, one peer
// and one session that both ends were told. Prints events as JSON lines; SIGUSR1 prints statistics,
// SIGTERM ends it.
//
//   nativeEngineEnd <options as JSON: EndOptions>
import { parsePrefix } from '../../src/base/ip.js';
import type { IpPrefix } from '../../src/base/ip.js';
import { systemClock } from '../../src/platform/clock.js';
import type { NativeEngineUse } from '../../src/platform/nativeEngine.js';
import { openNativeEngine } from '../../src/platform/nativeEngine.js';
import { peerId } from '../../src/ports/dataPlane.js';
import type { Suite } from '../../src/ports/dataPlane.js';
import { sessionLimits } from '../../src/session/limits.js';

export interface EndOptions {
  readonly role: 'initiator' | 'responder';
  readonly name: string;
  readonly mtu: number;
  readonly port: number;
  readonly remote: { readonly family: 4 | 6; readonly address: string; readonly port: number };
  readonly allowedIps: readonly string[];
  readonly suite: Suite;
  readonly use: NativeEngineUse;
}

const print = (value: unknown): void => {
  const text = JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'bigint' ? Number(one) : one,
  );
  process.stdout.write(`${text}\n`);
};

const options = JSON.parse(process.argv[2]!) as EndOptions;
const isInitiator = options.role === 'initiator';
const engine = openNativeEngine({
  source: { name: options.name, mtu: options.mtu },
  use: options.use,
  listener: (events) => {
    for (const event of events) {
      if (event.kind !== 'activity') print(event);
      if (event.kind === 'tunClosed') setImmediate(() => process.exit(0));
    }
  },
});
if ('unavailable' in engine) throw new Error(engine.unavailable);
const peer = peerId(0);
engine.bind(options.port);
engine.addPeer(peer);
engine.setPath(peer, { remote: { ...options.remote, scopeId: 0 }, local: null });
const add = options.allowedIps.map((text): IpPrefix => parsePrefix(text)!);
engine.changeAllowedIps(peer, { replace: true, add, remove: [] });
const key = (number: number): Uint8Array => new Uint8Array(32).fill(number);
engine.installKeys({
  peer,
  role: options.role,
  localIndex: isInitiator ? 11 : 22,
  remoteIndex: isInitiator ? 22 : 11,
  suite: options.suite,
  sendKey: key(isInitiator ? 1 : 2),
  receiveKey: key(isInitiator ? 2 : 1),
  createdAt: systemClock().now(),
  limits: sessionLimits({ role: options.role, suite: options.suite, mtuBytes: options.mtu }),
});
process.on('SIGUSR1', () => print({ kind: 'stats', ...engine.stats() }));
process.on('SIGTERM', () => {
  engine.close();
  process.exit(0);
});
print({ kind: 'ready' });
