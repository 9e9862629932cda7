// Whatever comes over the UAPI's socket: nothing throws, the chunks don't matter, refusals hold no
// value, and what is written reads back.
// Short by default, longer with BEAM_LONG=1; BEAM_SEED repeats a failure.
import test from 'ava';
import fc from 'fast-check';
import { inspect, isDeepStrictEqual } from 'node:util';
import { maskPrefix } from '../../src/base/ip.js';
import type { Endpoint, IpAddress } from '../../src/base/ip.js';
import { Secret } from '../../src/base/secret.js';
import { wallTime } from '../../src/base/time.js';
import { ERRNO } from '../../src/config/uapi/answer.js';
import { formatGet } from '../../src/config/uapi/formatGet.js';
import { parseGet } from '../../src/config/uapi/parseGet.js';
import { parseSet } from '../../src/config/uapi/setParser.js';
import type { SetOutcome } from '../../src/config/uapi/setParser.js';
import { numericEndpoint } from '../../src/config/uapi/uapiEndpoint.js';
import { UapiReader } from '../support/uapiReader.js';
import type { UapiRequest } from '../support/uapiReader.js';
import { UapiFraming } from '../../src/platform/uapiServer.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../src/peer/change.js';
import { hexKey } from '../unit/config/sample.js';

const long = process.env['BEAM_LONG'] === '1';
const seed = Number(process.env['BEAM_SEED'] ?? Date.now() % 2 ** 31);
const parameters = {
  seed,
  numRuns: long ? 5_000_000 : 200_000,
  interruptAfterTimeLimit: long ? 30_000 : 700,
};
/** A test that fails with the seed and the smallest case. */
function holds(claim: string, body: () => void): void {
  test(claim, (t) => {
    body();
    t.pass();
  });
}

/** For inside of a property: what it throws carries the seed and the smallest case. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${inspect(actual, { depth: 9 })} is not ${inspect(expected, { depth: 9 })}`);
  }
}

const noZones = (): null => null;

const SECRET = hexKey('own');
const line = fc.oneof(
  fc.constantFrom(
    'get=1',
    'set=1',
    '',
    `private_key=${SECRET}`,
    `preshared_key=${SECRET}`,
    'replace_peers=true',
    `public_key=${hexKey('a')}`,
    `public_key=${hexKey('b')}`,
    'remove=true',
    'update_only=true',
    'replace_allowed_ips=true',
    'protocol_version=1',
    'endpoint=[::1]:5',
    'allowed_ip=10.0.0.0/8',
    'allowed_ip=-::/0',
    'nothing',
  ),
  fc
    .constantFrom('listen_port', 'fwmark', 'persistent_keepalive_interval')
    .chain((name) => fc.integer({ min: -1, max: 70_000 }).map((value) => `${name}=${value}`)),
  fc.string({ unit: 'binary-ascii', maxLength: 30 }),
);
const stream = fc
  .array(line, { maxLength: 30 })
  .map((lines) => Buffer.from(lines.map((one) => `${one}\n`).join(''), 'latin1'));
const brokenStream = fc
  .tuple(stream, fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 4 }))
  .map(([bytes, flips]) => {
    for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });

/** Secrets made comparable. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (one instanceof Uint8Array ? Array.from(one) : one)),
  ) as unknown;

function readInChunks(bytes: Uint8Array, sizes: readonly number[]): UapiRequest[] {
  const reader = new UapiReader(noZones);
  const requests: UapiRequest[] = [];
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    requests.push(...reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return requests;
}

holds('where the stream is cut makes no difference', () => {
  const sizes = fc.array(fc.nat(40), { maxLength: 20 });
  fc.assert(
    fc.property(brokenStream, sizes, (bytes, cuts) => {
      same(plain(readInChunks(bytes, cuts)), plain(readInChunks(bytes, [])));
    }),
    parameters,
  );
});

/** What the server makes of the same bytes, in the reader's terms. */
function serve(bytes: Uint8Array): UapiRequest[] {
  const framing = new UapiFraming();
  framing.push(Buffer.from(bytes));
  const requests: UapiRequest[] = [];
  for (let next = framing.next(); next !== null; next = framing.next()) {
    if (next.kind === 'refused') {
      const errno = next.answer === null ? null : ERRNO.EIO;
      return [...requests, { kind: 'close', errno, reason: '' }];
    }
    const [operation, ...lines] = next.text.split('\n');
    lines.pop();
    if (operation === 'set=1') {
      requests.push({ kind: 'set', outcome: parseSet(lines, noZones) });
    } else if (lines.length === 0) requests.push({ kind: 'get' });
    else requests.push({ kind: 'refused', errno: ERRNO.EINVAL, reason: '' });
  }
  return requests;
}

const withoutReasons = (requests: readonly UapiRequest[]): unknown =>
  plain(requests.map((one) => ('reason' in one ? { ...one, reason: '' } : one)));

holds('the server cuts the stream as the plain reader does', () => {
  fc.assert(
    fc.property(brokenStream, (bytes) => {
      const ended = Buffer.concat([bytes, Buffer.from('\n\n')]);
      same(withoutReasons(serve(ended)), withoutReasons(readInChunks(ended, [])));
    }),
    parameters,
  );
});

holds('nothing follows a request that closes the connection', () => {
  fc.assert(
    fc.property(brokenStream, (bytes) => {
      const kinds = readInChunks(bytes, []).map(({ kind }) => kind);
      return !kinds.slice(0, -1).includes('close');
    }),
    parameters,
  );
});

holds('any lines are a change or a refusal that names a line and no value', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const outcome = parseSet(lines, noZones);
      if (outcome.kind === 'change') return true;
      const leaked = outcome.reason.includes(SECRET.slice(0, 16));
      return outcome.line >= 1 && outcome.line <= lines.length && !leaked;
    }),
    parameters,
  );
});

holds('any text is an answer to get or none', () => {
  fc.assert(
    fc.property(fc.oneof(stream.map(String), fc.string({ unit: 'binary' })), (text) =>
      ['device', 'errno', 'malformed'].includes(parseGet(text, noZones).kind),
    ),
    parameters,
  );
});

/** Plain objects: those without a prototype never equal them. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true });

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const keyBytes = bytesOf(32).filter((bytes) => bytes.some((byte) => byte !== 0));
const secret = fc.option(keyBytes.map((bytes) => new Secret(bytes)));
const address: fc.Arbitrary<IpAddress> = fc.oneof(
  bytesOf(4).map((bytes) => ({ family: 4, bytes }) as const),
  bytesOf(16).map((bytes) => ({ family: 6, bytes }) as const),
);
const endpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(address, fc.nat(65_535), fc.nat(100))
  .map(([one, port, scopeId]) => ({
    ...numericEndpoint(one, port),
    scopeId: numericEndpoint(one, port).family === 6 ? scopeId : 0,
  }));
const prefix = fc
  .tuple(address, fc.nat(128))
  .map(([one, length]) => maskPrefix(one, Math.min(length, one.bytes.length * 8)));
const counter = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const peer: fc.Arbitrary<PeerSnapshot> = record({
  publicKey: keyBytes,
  presharedKey: secret,
  endpoint: fc.option(endpoint),
  lastHandshakeAt: fc.option(fc.integer({ min: 1, max: 2 ** 42 }).map(wallTime)),
  receivedBytes: counter,
  sentBytes: counter,
  persistentKeepaliveS: fc.nat(65_535),
  allowedIps: fc.array(prefix, { maxLength: 5 }),
  suite: fc.constant(null),
});
const device: fc.Arbitrary<DeviceSnapshot> = record({
  privateKey: secret,
  publicKey: fc.constant(null),
  listenPort: fc.nat(65_535),
  fwmark: fc.nat(2 ** 32 - 1),
  peers: fc.array(peer, { maxLength: 4 }),
});

const exposed = (one: Secret | null | undefined): Uint8Array | null => one?.expose() ?? null;

holds('what get answers reads back as it was', () => {
  fc.assert(
    fc.property(device, (one) => {
      const outcome = parseGet(formatGet(one), noZones);
      if (outcome.kind !== 'device') return false;
      same(outcome.device, one);
      same(exposed(outcome.device.privateKey), exposed(one.privateKey));
      same(
        outcome.device.peers.map(({ presharedKey }) => exposed(presharedKey)),
        one.peers.map(({ presharedKey }) => exposed(presharedKey)),
      );
      return true;
    }),
    parameters,
  );
});

const READ_ONLY = /^(last_handshake|tx_bytes|rx_bytes|errno)/;

holds('what get answers can be set', () => {
  fc.assert(
    fc.property(device, (one) => {
      const lines = formatGet(one)
        .split('\n')
        .filter((text) => text !== '' && !READ_ONLY.test(text));
      const outcome: SetOutcome = parseSet(lines, noZones);
      if (outcome.kind !== 'change') return false;
      const { change } = outcome;
      same(exposed(change.privateKey), exposed(one.privateKey));
      same(change.listenPort ?? 0, one.listenPort);
      same(change.fwmark ?? 0, one.fwmark);
      same(
        change.peers.map((read) => [
          read.publicKey,
          exposed(read.presharedKey),
          read.endpoint ?? null,
          read.persistentKeepaliveS,
          read.allowedIps.map(({ prefix: added }) => added),
        ]),
        one.peers.map((written) => [
          written.publicKey,
          exposed(written.presharedKey),
          written.endpoint,
          written.persistentKeepaliveS,
          written.allowedIps,
        ]),
      );
      return true;
    }),
    parameters,
  );
});
