// [Beam], the mark #:, and names in comments.
import test from 'ava';
import { nameInComment } from '../../../src/config/file/commentNames.js';
import type { PeerConfig } from '../../../src/config/tunnelConfig.js';
import type { ExecutionContext } from 'ava';
import { INTERFACE, accept, key, peer, refusals } from './sample.js';

const SETTINGS = [
  'Engine = sodium',
  'Queues = 2',
  'EndpointResolution = off',
  'LogLevel = verbose',
];
const WANTED = { engine: 'sodium', queues: 2, endpointResolutionS: 0, logLevel: 'debug' };

test('reads [Beam] behind the mark and without it alike', (t) => {
  for (const mark of ['#: ', '#:', '  #:\t', '']) {
    const lines = ['[Beam]', ...SETTINGS].map((line) => mark + line).join('\n');
    t.deepEqual(accept(t, `${INTERFACE}${lines}\n`).config.beam, WANTED, mark);
  }
});

test('a marked section leaves the section of the other lines alone', (t) => {
  const text = `[Interface]\n#: [Beam]\n#: Engine = native\nPrivateKey = ${key('own')}\n#: LogLevel = error\n`;
  const { config } = accept(t, text);
  t.like(config.beam, { engine: 'native', logLevel: 'error' });
  t.truthy(config.interface.privateKey);
});

test('an unmarked section ends a marked one', (t) => {
  const text = `${INTERFACE}#: [Beam]\n${peer('a', '#: Engine = native')}`;
  t.deepEqual(refusals(t, text), ['E_CONFIG_KEY 6']);
});

test('a comment may follow a marked setting', (t) => {
  t.is(
    accept(t, INTERFACE + peer('a', '#: Name = alice # of sales')).config.peers[0]!.name,
    'alice',
  );
});

test('other comments that look like settings mean nothing', (t) => {
  const text = `${INTERFACE}# [Beam]\n#Engine = sodium\n##: Engine = sodium\n# : Engine = sodium\n`;
  t.is(accept(t, text).config.beam.engine, 'auto');
});

for (const path of ['/etc/beam/own.key', '/run/credentials/x y', 'own-key', 'beam0.key']) {
  test(`takes ${path} for a key file`, (t) => {
    const text = `[Interface]\n#: [Beam]\n#: PrivateKeyFile = ${path}\n`;
    t.is(accept(t, text).config.interface.privateKeyFile, path);
  });
}

test('a store is named by default or by its path', (t) => {
  const storeOf = (value: string): unknown =>
    accept(t, `[Interface]\n#: [Beam]\n#: PrivateKeyStore = ${value}\n`).config.interface
      .privateKeyStore;
  t.is(storeOf('default'), '/var/lib/beam/keys/store');
  t.is(storeOf('/srv/keys'), '/srv/keys');
});

const wrong: readonly [string, string, string][] = [
  ['a marked setting of wg', '#: ListenPort = 5', 'E_CONFIG_KEY 3'],
  ['a marked setting of wg in [Beam]', '#: [Beam]\n#: ListenPort = 5', 'E_CONFIG_KEY 4'],
  ['a marked section of wg', '#: [Peer]', 'E_CONFIG_SECTION 3'],
  ['a marked unknown section', '#: [Foo]', 'E_CONFIG_SECTION 3'],
  ['a marked line that is nothing', '#: Engine', 'E_CONFIG_SYNTAX 3'],
  ['a setting of [Beam] in [Interface]', '#: Engine = auto', 'E_CONFIG_KEY 3'],
  ['an unknown engine', '[Beam]\nEngine = fast', 'E_CONFIG_CHOICE 4'],
  ['an unknown log level', '[Beam]\nLogLevel = loud', 'E_CONFIG_CHOICE 4'],
  ['an interval that is too short', '[Beam]\nEndpointResolution = 4', 'E_CONFIG_NUMBER 4'],
  ['an interval that is too long', '[Beam]\nEndpointResolution = 86401', 'E_CONFIG_NUMBER 4'],
  ['an empty setting of [Beam]', '[Beam]\nEngine =', 'E_CONFIG_EMPTY 4'],
  ['two private keys', '[Beam]\nPrivateKeyFile = /x', 'E_CONFIG_CONFLICT 4'],
  ['a key and a store', '[Beam]\nPrivateKeyStore = default', 'E_CONFIG_CONFLICT 4'],
  ['a store that is no path', '[Beam]\nPrivateKeyStore = Default', 'E_CONFIG_NAME 4'],
  ['a passphrase in the file', '[Beam]\nStorePassphrase = six words', 'E_CONFIG_NAME 4'],
  ['a relative path', '[Beam]\nPrivateKeyFile = keys/x', 'E_CONFIG_NAME 4'],
];
for (const [what, lines, error] of wrong) {
  test(`refuses ${what}`, (t) => {
    t.true(refusals(t, `${INTERFACE}${lines}\n`).includes(error));
  });
}

test('refuses a marked setting before any section', (t) => {
  t.deepEqual(refusals(t, `#: Engine = auto\n${INTERFACE}`), ['E_CONFIG_SECTION 1']);
});

for (const name of ['alice', 'Büro Köln', '分公司', '日本-1', 'x'.repeat(64), "o'brien (old)"]) {
  test(`takes ${name} for a peer's name`, (t) => {
    t.is(accept(t, INTERFACE + peer('a', `#: Name = ${name}`)).config.peers[0]!.name, name);
  });
}

for (const name of ['x'.repeat(65), 'a\u001b[2J', 'a\u202eb', 'a\u0000', 'a\tb', 'a\u200bb']) {
  test(`refuses ${JSON.stringify(name)} for a peer's name`, (t) => {
    t.is(refusals(t, INTERFACE + peer('a', `#: Name = ${name}`)).length, 1);
  });
}

const comments: readonly [string, string | null][] = [
  [' Name = alice', 'alice'],
  ['name:alice', 'alice'],
  ['friendly_name=alice', 'alice'],
  [' friendly_name = Alice of Sales ', 'Alice of Sales'],
  ['## Client alice', 'alice'],
  [' Client: alice (4f1c)', 'alice (4f1c)'],
  ['## begin alice ###', 'alice'],
  ['## end alice ###', null],
  [' client settings below', null],
  [' names are below', null],
  [' Name =', null],
  [' Name = \u001b[31mred', null],
  ['friendly_json={"a":1}', null],
  ['', null],
];
for (const [comment, name] of comments) {
  test(`the comment ${JSON.stringify(`#${comment}`)} gives ${name ?? 'no name'}`, (t) => {
    t.is(nameInComment(comment), name);
  });
}

const namesOf = (t: ExecutionContext, text: string): (string | null)[] =>
  accept(t, text).config.peers.map(({ name }: PeerConfig) => name);
const section = (name: string): string => `[Peer]\nPublicKey = ${key(name)}\n`;

const placements: readonly [string, string, (string | null)[]][] = [
  [
    'directly above the section',
    `### Client a\n${section('a')}### Client b\n${section('b')}`,
    ['a', 'b'],
  ],
  [
    'above, with a blank line before it',
    `\n### Client a\n${section('a')}\n### Client b\n${section('b')}`,
    ['a', 'b'],
  ],
  ['above, with blank lines around it', `\n# Name = a\n\n${section('a')}`, ['a']],
  ['above other comments', `\n# Name = a\n# since 2020\n${section('a')}`, ['a']],
  ['inside', `[Peer]\n# Name = a\nPublicKey = ${key('a')}\n${section('b')}`, ['a', null]],
  ['inside, after a blank line', `[Peer]\n\n# Name = a\nPublicKey = ${key('a')}\n`, ['a']],
  ['at the end of its section', `${section('a')}# Name = a\n\n${section('b')}`, ['a', null]],
  ['at the end of the file', `${section('a')}${section('b')}# Name = b`, [null, 'b']],
];
for (const [where, text, names] of placements) {
  test(`finds a name in a comment ${where}`, (t) => {
    t.deepEqual(namesOf(t, INTERFACE + text), names);
  });
}

test('a Name wins over a comment, and the first of two comments over the second', (t) => {
  t.deepEqual(namesOf(t, INTERFACE + peer('a', '# Name = b', '#: Name = a')), ['a']);
  t.deepEqual(namesOf(t, INTERFACE + peer('a', '# Name = a', '# friendly_name = b')), ['a']);
});

test('a comment in [Interface] names nobody', (t) => {
  t.deepEqual(
    namesOf(t, `[Interface]\n# Name = hub\nPrivateKey = ${key('own')}\n\n${section('a')}`),
    [null],
  );
});
