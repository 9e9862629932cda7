// How many handshakes per second? Over the wire: a client of many identities on many addresses makes
// its initiations ahead, then keeps a window of them unanswered and counts the responses. In
// process: both machines of one handshake, without any network.
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createRemoteIdentity,
  createResponse,
  createStaticIdentity,
} from '../src/handshake/wireguard.js';
import type { RemoteIdentity, StaticIdentity } from '../src/handshake/wireguard.js';
import { tai64n } from '../src/handshake/timestamp.js';
import { wallTime } from '../src/base/time.js';
import { equalConstantTime } from '../src/base/bytes.js';
import { OUTER, PORT_OF_B } from '../test/support/netnsTopology.js';
import type { Tunnel } from '../test/support/netnsTunnel.js';
import type { Scene } from './scene.js';

const CLIENT = fileURLToPath(new URL('handshakeClient.js', import.meta.url));

/** Any 32 bytes are one: X25519 clamps them. */
const newPrivateKey = (): Buffer => randomBytes(32);

/** Handshakes per second that the subject answers, cookies included where it asks for them. */
export async function measureHandshakes(
  scene: Scene,
  responder: Tunnel,
  count: number,
): Promise<number> {
  const identities = Array.from({ length: count }, () => createStaticIdentity(newPrivateKey()));
  const status = await responder.status();
  await responder.setConfig({
    privateKey: responder.keys.privateKey,
    listenPort: status.listenPort,
    peers: identities.map(({ publicKey }, i) => ({
      publicKey: Buffer.from(publicKey).toString('base64'),
      allowedIps: [`10.200.${i >> 8}.${i & 255}/32`],
    })),
  });
  await scene.a.addAddress('lo', '10.66.0.1/16');
  await scene.b.run('ip', 'route', 'add', '10.66.0.0/16', 'via', OUTER.a[4]);
  const keys = identities.map(({ privateKey }) => Buffer.from(privateKey.expose()).toString('hex'));
  const file = scene.net.file('identities', keys.join('\n'));
  const args = [OUTER.b[4], String(PORT_OF_B), responder.keys.publicKey, file];
  const output = await scene.a.runWith({ timeoutMs: 60_000 }, process.execPath, CLIENT, ...args);
  for (const identity of identities) identity.destroy();
  const { answered, seconds } = JSON.parse(output) as { answered: number; seconds: number };
  if (answered < count * 0.95)
    throw new Error(`${count - answered} of ${count} handshakes unanswered`);
  return answered / seconds;
}

/** Whole handshakes per second in one thread, both sides computed. */
export function handshakesInProcess(durationMs: number): number {
  const [one, two] = [createStaticIdentity(newPrivateKey()), createStaticIdentity(newPrivateKey())];
  const initiator = { local: one, remote: createRemoteIdentity(one, two.publicKey, null) };
  const responder = { local: two, remote: createRemoteIdentity(two, one.publicKey, null) };
  handshake(initiator, responder);
  let done = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < durationMs) {
    handshake(initiator, responder);
    done++;
  }
  return (done / (performance.now() - startMs)) * 1_000;
}

interface Side {
  readonly local: StaticIdentity;
  readonly remote: RemoteIdentity;
}

const entropy = (byteLength: number): Uint8Array => randomBytes(byteLength);

/** Throws unless both sides end with each other's keys. */
function handshake(initiator: Side, responder: Side): void {
  const timestamp = tai64n(wallTime(Date.now()));
  const initiation = createInitiation({ ...initiator, localIndex: 1, timestamp, entropy })!;
  const accepted = consumeInitiation({
    local: responder.local,
    message: initiation.message,
    lookup: () => responder.remote,
  });
  if ('refused' in accepted) throw new Error(accepted.refused);
  const response = createResponse({
    state: accepted.state,
    remote: accepted.remote,
    localIndex: 2,
    entropy,
  })!;
  const keys = consumeResponse({
    ...initiator,
    message: response.message,
    state: initiation.state,
  })!;
  if ('refused' in keys || !equalConstantTime(keys.sendKey, response.keys.receiveKey)) {
    throw new Error('the two sides disagree');
  }
}
