// `beam trust` as scripts call it, on a real key store and a real file. SPEC.md 12.12.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { formatStatements } from '../../../src/platform/trust/statementFile.js';
import type { VerifiedStatement } from '../../../src/trust/statement/signedStatement.js';
import { revocation, signer, vouch } from '../../support/signers.js';

const folder = mkdtempSync(join(tmpdir(), 'beam-trust-'));
test.after.always(() => rmSync(folder, { recursive: true }));
const passphrase = join(folder, 'passphrase');
writeFileSync(passphrase, 'a passphrase\n', { mode: 0o600 });
const store = join(folder, 'keys', 'store');
const file = join(folder, 'trust', 'statements');

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function beam(args: readonly string[], input = ''): Answer {
  const main = join(process.cwd(), 'dist/src/cli/main.js');
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input });
}
const trust = (...args: readonly string[]): Answer =>
  beam(['trust', ...args, '--trust-file', file]);
const signing = ['--store', store, '--passphrase-file', passphrase];

const nowS = Math.floor(Date.now() / 1000);
const [ann, bob, peer] = [signer('cli ann'), signer('cli bob', 'p256'), signer('cli peer')];
const fresh = { issued: nowS - 60, expires: nowS + 86_400 * 300, context: 'office' };
const byAnn = vouch(ann, peer, fresh);
const evidence = [{ kind: 'introduction', digest: byAnn.id }] as const;
const introductions = [byAnn, vouch(bob, peer, { ...fresh, evidence })];

let self = '';
test.before(() => {
  const made = beam(['key', 'init', '--without-recovery', '--json', ...signing]);
  self = (JSON.parse(made.stdout) as { did: string }).did;
});

test.serial('an empty store lists nothing and explains a stranger', (t) => {
  t.deepEqual([trust('list').status, trust('list').stdout], [0, '']);
  const { stdout } = trust('explain', peer.did, '--context', 'office', ...signing);
  t.regex(stdout, new RegExp(`^${peer.did} as ${self} sees it`));
  t.regex(stdout, /not admitted: 0\.5 is below 0\.7\n$/);
});

test.serial('what the identity says is signed, kept in a file of 0600, and counted', (t) => {
  for (const one of [ann, bob]) {
    const { status, stdout, stderr } = trust('add', one.did, '--context', 'office', ...signing);
    t.is(status, 0, stderr);
    t.regex(stdout, /^[0-9a-f]{64}\n$/);
  }
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(trust('list').stdout.split('\n').length, 3);
  const lines = JSON.parse(trust('list', '--json').stdout) as {
    statements: { statement: { issuer: string } }[];
  };
  t.deepEqual(
    lines.statements.map(({ statement }) => statement.issuer),
    [self, self],
  );
});

test.serial('import takes what is signed and says which lines it left and why', (t) => {
  const path = join(folder, 'others');
  const forged = introductions[0]!.text.replace('"level":1', '"level":0');
  const expired = vouch(ann, bob, { issued: nowS - 100, expires: nowS - 50 });
  writeFileSync(path, `${formatStatements(introductions)}${forged}\n${expired.text}\n`);
  const first = trust('import', path);
  t.deepEqual([first.status, first.stdout], [1, '2 added, 0 known, 0 outdated, 2 refused\n']);
  t.regex(first.stderr, /others:3: not taken: badSignature\n.*others:4: not taken: expired/);
  const again = beam(['trust', 'import', '--trust-file', file], formatStatements(introductions));
  t.deepEqual([again.status, again.stdout], [0, '0 added, 2 known, 0 outdated, 0 refused\n']);
  t.regex(trust('list').stdout, /introduction holds\n/);
});

test.serial(
  'explain shows the two who vouch and that the peer gets in; --as needs no key store',
  (t) => {
    for (const eyes of [signing, ['--as', self]]) {
      const { stdout, stderr } = trust('explain', peer.did, '--context', 'office', ...eyes);
      t.true(stdout.includes(ann.did) && stdout.includes(bob.did), stderr);
      t.regex(stdout, /score {7}0\.4 x 0\.5 \+ 0\.4 x 1 \+ 0\.2 x 0\.5 = 0\.7\nadmitted/);
    }
    t.regex(
      trust('explain', peer.did, '--context', 'office', '--literal', '--as', self).stdout,
      /mean over 2 paths/,
    );
  },
);

test.serial('the graph is drawn as text, as DOT and as SVG', (t) => {
  t.regex(trust('graph').stdout, new RegExp(`${ann.did}\n {2}-> ${peer.did} {2}1 {2}office\n`));
  const dot = trust('graph', '--format', 'dot').stdout;
  t.regex(dot, /^digraph trust \{\n/);
  t.is(dot.match(/ -> /g)?.length, 4);
  const svg = trust('graph', '--format', 'svg').stdout;
  t.regex(svg, /^<svg [^]*<\/svg>\n$/);
  t.is(svg.match(/<line /g)?.length, 4);
});

test.serial('remove takes the own word back, and only that', (t) => {
  const gone = trust('remove', bob.did, '--context', 'office', ...signing);
  t.is(gone.status, 0, gone.stderr);
  t.regex(
    trust('explain', peer.did, '--context', 'office', '--as', self).stdout,
    /only one introduction/,
  );
  t.regex(trust('remove', peer.did, '--context', 'office', ...signing).stderr, /^E_TRUST_NOTHING /);
  t.is(
    trust('add', bob.did, '--context', 'office', '--level', '0.9', ...signing).status,
    0,
    'and can be given anew',
  );
});

test.serial('export gives what import takes; a context leaves the others out', (t) => {
  const all = trust('export').stdout;
  t.is(all, readFileSync(file, 'utf8'));
  t.is(trust('export', '--context', 'home').stdout, '');
  const other = join(folder, 'other', 'statements');
  const taken = beam(['trust', 'import', '--trust-file', other], all);
  t.is(taken.stdout, '4 added, 0 known, 0 outdated, 0 refused\n', taken.stderr);
});

test.serial('wrong words are refused with what was expected, and change nothing', (t) => {
  const before = readFileSync(file, 'utf8');
  const cases: readonly [readonly string[], RegExp][] = [
    [['add', 'did:key:zz', '--context', 'office'], /^E_TRUST_DID /],
    [['add', self, '--context', 'office'], /^E_TRUST_VALUE /],
    [['add', peer.did], /needs --context/],
    [['add', peer.did, '--context', 'Of fice'], /^E_TRUST_VALUE /],
    [['add', peer.did, '--context', 'office', '--level', '1.5'], /^E_TRUST_VALUE .*0 to 1/],
    [['add', peer.did, '--context', 'office', '--level', '0.12345'], /^E_TRUST_VALUE /],
    [['add', peer.did, '--context', 'office', '--days', '0'], /^E_TRUST_VALUE /],
    [['add', peer.did, '--context', 'office', '--days', '401'], /^E_TRUST_VALUE /],
    [['revoke', peer.did], /needs --reason/],
    [['revoke', peer.did, '--reason', 'bored'], /^E_TRUST_VALUE /],
    [['revoke', self, '--reason', 'lost'], /^E_TRUST_VALUE .*\n {2}remedy: say --yes/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr, stdout } = trust(...args, ...signing);
    t.true(status === 1 || status === 2, args.join(' '));
    t.regex(stderr, message, args.join(' '));
    t.is(stdout, '');
  }
  for (const [args, message] of [
    [['list', peer.did], /unexpected argument/],
    [['explain'], /needs a did:key/],
    [['graph', '--json'], /has no --json/],
    [['import', join(folder, 'missing')], /^E_TRUST_FILE .*ENOENT/s],
  ] as const) {
    const answer = trust(...args);
    t.regex(answer.stderr, message, args.join(' '));
    t.not(answer.status, 0);
  }
  t.is(readFileSync(file, 'utf8'), before);
});

test.serial('a revocation that comes in takes the revoked one’s words out of the sum', (t) => {
  const gone: VerifiedStatement = revocation(ann, ann);
  t.is(beam(['trust', 'import', '--trust-file', file], `${gone.text}\n`).status, 0);
  t.regex(trust('list').stdout, /issuer revoked/);
  t.regex(trust('explain', peer.did, '--context', 'office', '--as', self).stdout, /not admitted/);
});

test.serial('the own key is revoked with --yes, and then counts nowhere', (t) => {
  const { status, stderr } = trust('revoke', self, '--reason', 'retired', '--yes', ...signing);
  t.is(status, 0, stderr);
  t.regex(trust('explain', self, '--context', 'office', '--as', peer.did).stdout, /revoked/);
});

test.serial('a damaged file is named with its line and left alone', (t) => {
  const bytes = `${readFileSync(file, 'utf8')}rubbish\n`;
  writeFileSync(file, bytes);
  t.regex(trust('list').stderr, /^E_TRUST_FILE .*statements:\d+: /);
  t.is(trust('add', bob.did, '--context', 'office', ...signing).status, 1);
  t.is(readFileSync(file, 'utf8'), bytes);
});
