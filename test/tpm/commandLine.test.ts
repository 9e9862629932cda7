// `beam tpm` as a person types it. SPEC.md 10.27.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { extendPcr } from '../../src/platform/tpm/commands.js';
import { operatorKey } from '../support/operatorKey.js';
import { sealedStore, type TpmStore } from '../support/tpmStore.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';

async function measure(test: TpmTest, index: number): Promise<void> {
  await extendPcr(await test.connect(), { index, digest: randomBytes(32) });
}

interface Checked {
  readonly status: number | null;
  readonly levels: Readonly<Record<string, string>>;
}

async function checked({ beamTpm }: TpmStore): Promise<Checked> {
  const { status, stdout } = await beamTpm('check', '--json');
  const { rehearsals } = JSON.parse(stdout) as { rehearsals: { id: string; level: string }[] };
  return { status, levels: Object.fromEntries(rehearsals.map(({ id, level }) => [id, level])) };
}

tpmTest(
  'check: all is well with a measured register, and nothing is changed by it',
  async (t, test) => {
    await measure(test, 7);
    const store = await sealedStore(test);
    const before = test.swtpm.tool.bind(test.swtpm);
    await test.disconnect();
    const registers = before('tpm2_pcrread');
    const file = readFileSync(store.path);
    const { status, levels } = await checked(store);
    t.is(status, 0);
    const { recovery, ...others } = levels;
    t.is(recovery, 'warn');
    t.deepEqual([...new Set(Object.values(others))], ['ok']);
    t.is(Object.keys(levels).length, 10);
    t.is(before('tpm2_pcrread'), registers);
    t.is(before('tpm2_getcap', 'handles-transient'), '');
    t.deepEqual(readFileSync(store.path), file);
  },
);

tpmTest(
  'check: a change of the register fails now, and says that reseal mends it',
  async (t, test) => {
    const store = await sealedStore(test);
    await measure(test, 7);
    const { status, levels } = await checked(store);
    t.is(status, 3);
    t.is(levels['now'], 'fail');
    t.is(levels['stranger'], 'ok');
    const { stdout } = await store.beamTpm('check');
    t.regex(stdout, /fail now .*no approval.*\n.*remedy: .*beam tpm reseal/);
  },
);

tpmTest(
  'check: warns of a policy that everything meets, and of one that updates break',
  async (t, test) => {
    const { levels } = await checked(await sealedStore(test, { pcrs: [0, 7] }));
    t.is(levels['measured'], 'warn');
    t.is(levels['updates'], 'warn');
  },
);

tpmTest('check: after a clear says so instead of rehearsing', async (t, test) => {
  const store = await sealedStore(test);
  await test.disconnect();
  test.swtpm.tool('tpm2_clear', '-c', 'platform');
  const { status, levels } = await checked(store);
  t.is(status, 3);
  t.is(levels['now'], 'fail');
  t.is(levels['reboot'], 'fail');
});

tpmTest('reseal: approves with the private key, and the store opens again', async (t, test) => {
  const store = await sealedStore(test);
  await measure(test, 7);
  t.is((await checked(store)).levels['now'], 'fail');
  const { status, stdout } = await store.beamTpm('reseal', '--policy-key', store.privateKeyFile);
  t.is(status, 0);
  t.regex(stdout, /^[0-9a-f]{64}\n$/);
  t.is((await checked(store)).levels['now'], 'ok');
});

tpmTest('reseal: prints what to sign, and takes openssl’s answer', async (t, test) => {
  const store = await sealedStore(test, { sign: false });
  const { swtpm } = test;
  for (const args of [[], ['--policy-key', store.publicKeyFile]]) {
    const { status, stdout, stderr } = await store.beamTpm('reseal', ...args);
    t.is(status, 0);
    t.regex(stdout, /^[0-9a-f]{96}\n$/);
    t.regex(stderr, /openssl dgst -sha256 -sign/);
    swtpm.write('message', Buffer.from(stdout.trim(), 'hex'));
  }
  swtpm.tool('openssl', 'dgst', '-sha256', '-sign', 'operator.key', '-out', 'signature', 'message');
  t.is((await checked(store)).levels['now'], 'fail');
  const { status } = await store.beamTpm('reseal', '--signature', swtpm.file('signature'));
  t.is(status, 0);
  t.is((await checked(store)).levels['now'], 'ok');
});

tpmTest(
  'reseal: refuses a stranger’s key or signature, an open key file, and both at once',
  async (t, test) => {
    const store = await sealedStore(test);
    const { swtpm } = test;
    const stranger = operatorKey();
    const strange = swtpm.write('strange.key', stranger.privatePem, 0o600);
    const open = swtpm.write('open.key', store.operator.privatePem, 0o644);
    const signed = swtpm.write('strange.sig', stranger.sign(randomBytes(48)));
    const cases: [string, number, ...string[]][] = [
      ['E_TPM_APPROVAL', 1, '--policy-key', strange],
      ['E_TPM_FILE', 1, '--policy-key', open],
      ['E_TPM_FILE', 1, '--policy-key', store.path],
      ['E_TPM_FILE', 1, '--policy-key', '/nonexistent'],
      ['E_TPM_APPROVAL', 1, '--signature', signed],
      ['E_TPM_FILE', 1, '--signature', store.path],
      ['E_USAGE', 2, '--signature', signed, '--policy-key', strange],
      ['E_USAGE', 2, '--nonce', '00'],
    ];
    for (const [code, wanted, ...args] of cases) {
      const { status, stderr, stdout } = await store.beamTpm('reseal', ...args);
      t.is(status, wanted, stderr);
      t.true(stderr.startsWith(code), stderr);
      t.is(stdout, '');
    }
  },
);

tpmTest('status: shows the TPM, what is sealed, and what to think of it', async (t, test) => {
  const store = await sealedStore(test);
  const { status, stdout } = await store.beamTpm('status');
  t.is(status, 0);
  t.regex(stdout, /TPM +IBM/);
  t.regex(stdout, /lock +open: 0 of/);
  t.regex(stdout, /storage key +the one that was pinned/);
  t.regex(stdout, /sealed to register 7; 1 approved value\(s\), today’s is one/);
  const json = JSON.parse((await store.beamTpm('status', '--json')).stdout) as Record<
    string,
    unknown
  >;
  t.is(json['format'], 1);
  t.is(json['storageKey'], 'pinned');
  t.true(Number(json['counter']) > 0);
});

tpmTest('quote and verify-quote: from the device to a verifier without a TPM', async (t, test) => {
  const store = await sealedStore(test);
  const { swtpm } = test;
  const nonce = randomBytes(32).toString('hex');
  const taken = await store.beamTpm('quote', '--nonce', nonce, '--pcrs', '0,7');
  t.is(taken.status, 0, taken.stderr);
  const file = swtpm.write('quote.json', taken.stdout);
  const key = (JSON.parse(taken.stdout) as { key: string }).key;
  const verify = ['verify-quote', file, '--key', key, '--pcrs', '0,7', '--nonce'];
  const verdict = await store.beamTpm(...verify, nonce, '--json');
  t.is(verdict.status, 0, verdict.stderr);
  t.is((JSON.parse(verdict.stdout) as { since: string }).since, 'first');
  t.regex((await store.beamTpm(...verify, nonce)).stdout, /^verified/);
  const otherNonce = await store.beamTpm(...verify, randomBytes(32).toString('hex'));
  t.is(otherNonce.status, 1);
  t.regex(otherNonce.stderr, /E_TPM_QUOTE.*nonce/);
  const otherKey = [
    'verify-quote',
    file,
    '--key',
    '00'.repeat(34),
    '--pcrs',
    '0,7',
    '--nonce',
    nonce,
  ];
  t.regex((await store.beamTpm(...otherKey)).stderr, /E_TPM_QUOTE.*another key/);
  const changed = swtpm.write('changed.json', taken.stdout.replace('"pcrs":"0,7"', '"pcrs":"0,6"'));
  const asked = ['verify-quote', changed, '--key', key, '--pcrs', '0,6', '--nonce', nonce];
  t.regex((await store.beamTpm(...asked)).stderr, /E_TPM_QUOTE.*registers/);
});

tpmTest(
  'verify-quote: tells a reboot since the earlier quote, and refuses the order turned round',
  async (t, test) => {
    const store = await sealedStore(test);
    const { swtpm } = test;
    const quoteNow = async (
      name: string,
    ): Promise<{ file: string; nonce: string; key: string }> => {
      const nonce = randomBytes(16).toString('hex');
      const { stdout } = await store.beamTpm('quote', '--nonce', nonce);
      const { key } = JSON.parse(stdout) as { key: string };
      return { file: swtpm.write(name, stdout), nonce, key };
    };
    const first = await quoteNow('first.json');
    await test.reboot();
    const second = await quoteNow('second.json');
    t.is(second.key, first.key);
    const against = (now: typeof first, previous: typeof first) =>
      store.beamTpm(
        'verify-quote',
        now.file,
        '--key',
        now.key,
        '--nonce',
        now.nonce,
        '--previous',
        previous.file,
      );
    t.regex((await against(second, first)).stdout, /rebooted since/);
    t.regex((await against(first, second)).stderr, /E_TPM_QUOTE.*behind/);
  },
);

tpmTest('says what is missing: no TPM, no store, no slot, no nonce', async (t, test) => {
  const store = await sealedStore(test);
  t.regex((await store.beamTpm('quote')).stderr, /E_USAGE --nonce/);
  t.regex((await store.beamTpm('quote', '--nonce', 'ab')).stderr, /E_USAGE --nonce/);
  t.regex(
    (await store.beamTpm('quote', '--nonce', '00'.repeat(16), '--pcrs', '24')).stderr,
    /E_USAGE --pcrs/,
  );
  t.regex((await store.beamTpm('verify-quote')).stderr, /E_USAGE/);
  t.regex(
    (await store.beamTpm('quote', '--pcrs', '0', '--pcrs', '7')).stderr,
    /--pcrs is given twice/,
  );
  await test.swtpm.halt();
  const { status, stderr } = await store.beamTpm('status');
  t.is(status, 1);
  t.regex(stderr, /^E_TPM_ABSENT .*\n {2}remedy: /);
});
