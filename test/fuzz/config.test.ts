// Configuration files, whole, broken and mixed: nothing throws, errors have places and no secrets,
// what is written reads back, and a reload's changes lead where they should.
// Short by default, longer with BEAM_LONG=1; BEAM_SEED repeats a failure.
import test from 'ava';
import fc from 'fast-check';
import { inspect, isDeepStrictEqual } from 'node:util';
import { OperatorError } from '../../src/base/errors.js';
import { formatPrefix } from '../../src/base/ip.js';
import { toBase64 } from '../../src/base/bytes.js';
import { deviceTransition } from '../../src/config/diff/deviceTransition.js';
import { diffConfigs } from '../../src/config/diff/diffConfigs.js';
import { diffToJson, formatDiff } from '../../src/config/diff/formatDiff.js';
import { formatTunnelConfig } from '../../src/config/file/formatTunnelConfig.js';
import { parseTunnelConfig } from '../../src/config/file/parseTunnelConfig.js';
import type { ParsedConfig } from '../../src/config/file/parseTunnelConfig.js';
import { stripConfig } from '../../src/config/file/stripConfig.js';
import type { TunnelConfig } from '../../src/config/tunnelConfig.js';
import type { PeerChange } from '../../src/peer/change.js';
import { key, meaning } from '../unit/config/sample.js';

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

const parse = (text: string): ParsedConfig =>
  parseTunnelConfig(text, { file: 'fuzz.conf', name: 'fuzz' });

const NAMES = ['a', 'b', 'c', 'd'] as const;
const SECRETS = ['own', 'psk', ...NAMES].map(key);
/** As long a run of a key's characters must not be in any message (SPEC.md 7.4). */
const RUN = 16;
const RUNS = SECRETS.flatMap((secret) =>
  Array.from({ length: secret.length - RUN + 1 }, (_, at) => secret.slice(at, at + RUN)),
);

const prefix = fc.constantFrom(
  '10.0.0.0/8',
  '10.1.0.0/16',
  '0.0.0.0/0',
  '::/0',
  'fd00::/64',
  '10.0.0.1',
);
const setting = (name: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<string> =>
  value.map((one) => `${name} = ${String(one)}`);
const number = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const list = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(item, { maxLength: 4 }).map((items) => items.join(', '));

const interfaceLine = fc.oneof(
  fc.constant(`PrivateKey = ${key('own')}`),
  setting('ListenPort', number(0, 65_535)),
  setting('FwMark', fc.oneof(fc.constantFrom('off', '0xca6c'), number(0, 2 ** 32 - 1))),
  setting('Address', list(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('10.0.0.1/24')))),
  setting('DNS', list(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()))),
  setting('MTU', number(68, 65_535)),
  setting(
    'Table',
    fc.oneof(fc.constantFrom('auto', 'off', 'main', '0x10'), number(1, 2 ** 32 - 1)),
  ),
  setting('PostUp', fc.constantFrom('true', 'echo %i = 1', '')),
  setting('PreDown', fc.constantFrom('true', 'wg set %i private-key /x')),
  setting('SaveConfig', fc.boolean()),
);
const peerLine = fc.oneof(
  fc.constant(`PresharedKey = ${key('psk')}`),
  setting('AllowedIPs', list(prefix)),
  setting(
    'Endpoint',
    fc.tuple(fc.oneof(fc.ipV4(), fc.domain()), number(1, 65_535)).map((pair) => pair.join(':')),
  ),
  setting(
    'Endpoint',
    fc.ipV6().map((address) => `[${address}]:51820`),
  ),
  setting('PersistentKeepalive', fc.oneof(fc.constant('off'), number(0, 65_535))),
  setting('#: Name', fc.constantFrom('alice', 'Büro Köln', "o'brien")),
  fc.constantFrom('# Name = carol', '### Client dave', '', '# a comment'),
);
const beamLine = fc.oneof(
  setting('Engine', fc.constantFrom('auto', 'native', 'sodium')),
  setting('EndpointResolution', fc.oneof(fc.constant('off'), number(5, 86_400))),
  setting('LogLevel', fc.constantFrom('silent', 'error', 'info', 'debug')),
);

const section = (head: string, line: fc.Arbitrary<string>, mark = ''): fc.Arbitrary<string> =>
  fc
    .array(line, { maxLength: 5 })
    .map((lines) => [head, ...lines].map((one) => `${mark}${one}\n`).join(''));
const peerSection = fc
  .tuple(fc.constantFrom(...NAMES), section('', peerLine))
  .map(([name, lines]) => `[Peer]\nPublicKey = ${key(name)}${lines}`);
/** Files without mistakes. */
const goodFile = fc
  .tuple(
    section('[Interface]', interfaceLine),
    fc.oneof(section('[Beam]', beamLine, '#: '), section('[Beam]', beamLine), fc.constant('')),
    fc.array(peerSection, { maxLength: 5 }),
  )
  .map(([own, beam, peers]) => own + beam + peers.join('\n'));

/** One thing that goes wrong in an editor. */
type Edit = (text: string) => string;
const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(position, fc.string({ unit: 'binary', maxLength: 3 }))
    .map(([at, typed]): Edit => (text) => {
      const index = Math.floor(at * text.length);
      return text.slice(0, index) + typed + text.slice(index);
    }),
  fc.tuple(position, number(1, 60)).map(([at, length]): Edit => (text) => {
    const index = Math.floor(at * text.length);
    return text.slice(0, index) + text.slice(index + length);
  }),
  fc
    .tuple(position, fc.constantFrom('\n', '=', '#', '#:', '[', ']', ',', '\r', '\0', ' '))
    .map(([at, typed]): Edit => (text) => {
      const index = Math.floor(at * text.length);
      return text.slice(0, index) + typed + text.slice(index + 1);
    }),
  fc.tuple(position, position).map(([from, to]): Edit => (text) => {
    const lines = text.split('\n');
    const [moved = ''] = lines.splice(Math.floor(from * lines.length), 1);
    lines.splice(Math.floor(to * lines.length), 0, moved);
    return lines.join('\n');
  }),
  position.map((at): Edit => (text) => {
    const lines = text.split('\n');
    const index = Math.floor(at * lines.length);
    return [
      ...lines.slice(0, index),
      lines.slice(index, index + 2).join(''),
      ...lines.slice(index + 2),
    ].join('\n');
  }),
);
/** A key pasted where something else belongs. */
const paste = fc
  .tuple(position, fc.constantFrom(...SECRETS))
  .map(([at, pasted]): Edit => (text) => {
    const lines = text.split('\n');
    const index = Math.floor(at * lines.length);
    const before = lines[index]!.split('=')[0]!;
    return [...lines.slice(0, index), `${before}= ${pasted}`, ...lines.slice(index + 1)].join('\n');
  });
const brokenFile = fc
  .tuple(goodFile, fc.array(fc.oneof(edit, paste), { minLength: 1, maxLength: 4 }))
  .map(([text, edits]) => edits.reduce((before, change) => change(before), text));

/** Throws if a finding is not as SPEC.md 7.4 says. */
function checkFindings(text: string, parsed: ParsedConfig): void {
  const lines = text.split('\n').length;
  const checkPlace = (place: string): void => {
    const line = /^fuzz\.conf(?::(\d+))?$/.exec(place);
    if (line === null) throw new Error(`place ${place}`);
    if (line[1] !== undefined && (Number(line[1]) < 1 || Number(line[1]) > lines)) {
      throw new Error(`line ${line[1]} of ${lines}`);
    }
  };
  const checkText = (message: string): void => {
    const leaked = RUNS.find((run) => message.includes(run));
    if (leaked !== undefined) throw new Error(`a key in: ${message}`);
  };
  if (parsed.kind === 'config') {
    for (const notice of parsed.notices) {
      checkPlace(notice.place);
      checkText(notice.text);
    }
    return;
  }
  if (parsed.errors.length === 0) throw new Error('refused without an error');
  for (const error of parsed.errors) {
    if (!(error instanceof OperatorError)) throw new Error('not an OperatorError');
    if (!error.code.startsWith('E_CONFIG_')) throw new Error(error.code);
    checkPlace(error.details.place);
    checkText(error.message);
  }
}

holds('any text is read or refused with errors that have a place', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({
      unit: fc.constantFrom(...Array.from('[]=#: \n\r\tPeerInterface.,/0')),
      maxLength: 200,
    }),
  );
  fc.assert(
    fc.property(text, (one) => {
      checkFindings(one, parse(one));
      stripConfig(one);
    }),
    parameters,
  );
});

holds('a file with slips is read or refused, with no key in any message', () => {
  fc.assert(
    fc.property(brokenFile, (text) => checkFindings(text, parse(text))),
    parameters,
  );
});

const configOf = (text: string): TunnelConfig => {
  const parsed = parse(text);
  if (parsed.kind === 'config') return parsed.config;
  throw new Error(parsed.errors.map((error) => error.message).join('\n'));
};

holds('a file without mistakes is accepted, and reads back as it is written', () => {
  fc.assert(
    fc.property(goodFile, (text) => {
      const config = configOf(text);
      const again = formatTunnelConfig(config);
      same(meaning(configOf(again)), meaning(config));
      return formatTunnelConfig(configOf(again)) === again;
    }),
    parameters,
  );
});

/** Peers and owners of prefixes after changes, as a device keeps them. */
class Model {
  readonly peers = new Map<string, { psk: string; keepalive: number }>();
  readonly owners = new Map<string, string>();

  apply(change: PeerChange): void {
    const name = toBase64(change.publicKey);
    const before = this.peers.get(name);
    if (before === undefined && change.updateOnly) return;
    if (change.remove || change.replaceAllowedIps) {
      for (const [one, owner] of this.owners) if (owner === name) this.owners.delete(one);
    }
    if (change.remove) {
      this.peers.delete(name);
      return;
    }
    const { psk, keepalive } = before ?? { psk: '', keepalive: 0 };
    this.peers.set(name, {
      psk: change.presharedKey === undefined ? psk : pskText(change.presharedKey),
      keepalive: change.persistentKeepaliveS ?? keepalive,
    });
    for (const { edit: kind, prefix: one } of change.allowedIps) {
      const text = formatPrefix(one);
      if (kind === 'add') this.owners.set(text, name);
      else if (this.owners.get(text) === name) this.owners.delete(text);
    }
  }

  static of(config: TunnelConfig): Model {
    const model = new Model();
    for (const peer of config.peers) {
      const name = toBase64(peer.publicKey);
      model.peers.set(name, {
        psk: pskText(peer.presharedKey),
        keepalive: peer.persistentKeepaliveS,
      });
      for (const one of peer.allowedIps) model.owners.set(formatPrefix(one), name);
    }
    return model;
  }

  toObject(): object {
    return { peers: Object.fromEntries(this.peers), owners: Object.fromEntries(this.owners) };
  }
}

const pskText = (secret: { expose(): Uint8Array } | null): string =>
  secret === null ? '' : toBase64(secret.expose());

holds("a difference's changes lead from one file to the other, and touch nobody else", () => {
  fc.assert(
    fc.property(goodFile, goodFile, (from, to) => {
      const [running, wanted] = [configOf(from), configOf(to)];
      const diff = diffConfigs(running, wanted);
      const { widen, narrow } = deviceTransition(diff, { endpoints: new Map(), keyFromFile: null });
      const model = Model.of(running);
      for (const change of [...widen.peers, ...narrow.peers]) model.apply(change);
      same(model.toObject(), Model.of(wanted).toObject());
      const said = JSON.stringify(diffToJson(diff)) + formatDiff(diff).join('\n');
      return !said.includes(key('own')) && !said.includes(key('psk'));
    }),
    parameters,
  );
});

holds('a file does not differ from itself', () => {
  fc.assert(
    fc.property(goodFile, (text) => {
      const config = configOf(text);
      const again = configOf(formatTunnelConfig(config));
      same(diffConfigs(config, again).changes, []);
    }),
    parameters,
  );
});
