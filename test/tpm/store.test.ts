// A key store that the TPM opens, from `beam key init` on: through changes, clearing and going back in
// time, with the passphrase and the recovery key as before. SPEC.md 10.8, 10.22, 10.23.
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { readTunnelKey } from '../../src/agent/keys/tunnelKeySource.js';
import { extendPcr } from '../../src/platform/tpm/commands.js';
import { operatorKey } from '../support/operatorKey.js';
import { tpmTest, type TpmTest } from '../support/tpmTest.js';
import type { CommandEnd } from '../support/tpmStore.js';

interface Device {
  readonly store: string;
  readonly operatorKeyFile: string;
  /** `beam …` with this store and this TPM, no terminal. */
  readonly beam: (...args: readonly string[]) => Promise<CommandEnd>;
  readonly withPassphrase: (...args: readonly string[]) => Promise<CommandEnd>;
  readonly words: string;
}

async function initialized(t: ExecutionContext, { swtpm, disconnect }: TpmTest): Promise<Device> {
  const store = swtpm.file('keys/store');
  const words = swtpm.file('words');
  const passphraseFile = swtpm.write('passphrase', 'a passphrase\n', 0o600);
  const operatorKeyFile = swtpm.write('operator.key', operatorKey().privatePem, 0o600);
  const beam: Device['beam'] = async (...args) => {
    await disconnect();
    return spawnSync(process.execPath, ['dist/src/cli/main.js', ...args, '--store', store], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, BEAM_TPM_TCTI: swtpm.tcti, CREDENTIALS_DIRECTORY: undefined },
    });
  };
  const withPassphrase: Device['beam'] = (...args) =>
    beam(...args, '--passphrase-file', passphraseFile);
  const made = await withPassphrase('key', 'init', '--recovery-file', words);
  t.is(made.status, 0, made.stderr);
  return { store, operatorKeyFile, beam, withPassphrase, words };
}

async function sealed(t: ExecutionContext, test: TpmTest): Promise<Device> {
  const device = await initialized(t, test);
  const { withPassphrase, operatorKeyFile } = device;
  const { status, stderr } = await withPassphrase('tpm', 'seal', '--policy-key', operatorKeyFile);
  t.is(status, 0, stderr);
  return device;
}

const measure = async (test: TpmTest): Promise<void> =>
  extendPcr(await test.connect(), { index: 7, digest: randomBytes(32) });

const slotsIn = ({ stdout }: CommandEnd): readonly string[] =>
  (JSON.parse(stdout) as { slots: string[] }).slots;

tpmTest(
  'seal: from then on the TPM opens the store, and the passphrase does as before',
  async (t, test) => {
    const { beam, withPassphrase } = await initialized(t, test);
    t.regex((await beam('key', 'show')).stderr, /^E_STORE_LOCKED /);
    t.regex((await beam('tpm', 'check')).stderr, /^E_TPM_NOT_SEALED /);
    const missing = await withPassphrase('tpm', 'seal');
    t.regex(missing.stderr, /^E_USAGE --policy-key/);
    const key = test.swtpm.file('operator.key');
    t.is((await withPassphrase('tpm', 'seal', '--policy-key', key)).status, 0);
    const shown = await beam('key', 'show', '--json');
    t.is(shown.status, 0, shown.stderr);
    t.deepEqual(slotsIn(shown), ['tpm', 'passphrase', 'recovery']);
    await test.reboot();
    t.is((await beam('key', 'show')).status, 0);
    t.is((await beam('key', 'rotate', 'beam0')).status, 0);
    t.is((await beam('key', 'list')).status, 0);
    // Sealing again needs no passphrase: the TPM opens the store.
    t.is((await beam('tpm', 'seal', '--policy-key', key, '--pcrs', '7,14')).status, 0);
    t.regex((await beam('tpm', 'status')).stdout, /sealed to register 7,14/);
    t.is((await beam('key', 'show')).status, 0);
  },
);

tpmTest('a change of the register: the passphrase opens, and reseal mends it', async (t, test) => {
  const { beam, withPassphrase, operatorKeyFile } = await sealed(t, test);
  await measure(test);
  const refused = await beam('key', 'show');
  t.is(refused.status, 1);
  t.regex(refused.stderr, /^E_TPM_POLICY .*\n.*beam tpm reseal/);
  t.is((await withPassphrase('key', 'show')).status, 0);
  t.is((await beam('tpm', 'reseal', '--policy-key', operatorKeyFile)).status, 0);
  t.is((await beam('key', 'show')).status, 0);
});

tpmTest('an older store that is put back is noticed, whichever slot opens it', async (t, test) => {
  const { beam, withPassphrase, store } = await sealed(t, test);
  copyFileSync(store, `${store}.old`);
  t.is((await beam('key', 'rotate', 'beam0')).status, 0);
  copyFileSync(`${store}.old`, store);
  t.regex((await beam('key', 'show')).stderr, /^E_STORE_ROLLBACK /);
  t.regex((await withPassphrase('key', 'show')).stderr, /^E_STORE_ROLLBACK /);
});

tpmTest('a TPM whose state was put back is noticed', async (t, test) => {
  const { beam } = await sealed(t, test);
  const { swtpm } = test;
  await swtpm.halt();
  swtpm.saveState('old');
  await swtpm.boot();
  // A rotation writes once; two steps back are more than a write that was cut off.
  for (const tunnel of ['beam0', 'beam1']) t.is((await beam('key', 'rotate', tunnel)).status, 0);
  await swtpm.halt();
  swtpm.restoreState('old');
  await swtpm.boot();
  t.regex((await beam('key', 'show')).stderr, /^E_STORE_ROLLBACK /);
});

tpmTest(
  'a TPM that was cleared: recovery opens the store, and it can be sealed again',
  async (t, test) => {
    const { beam, withPassphrase, words, operatorKeyFile } = await sealed(t, test);
    const did = (await beam('key', 'show')).stdout.split('\n')[0];
    test.swtpm.tool('tpm2_clear', '-c', 'platform');
    t.regex((await beam('key', 'show')).stderr, /^E_TPM_MISSING .*\n.*beam key recover/);
    t.regex((await withPassphrase('key', 'show')).stderr, /^E_TPM_MISSING /);
    const fresh = test.swtpm.write('fresh', 'a new passphrase\n', 0o600);
    const recover = ['key', 'recover', '--words-file', words, '--new-passphrase-file', fresh];
    const recovered = await beam(...recover);
    t.is(recovered.status, 0, recovered.stderr);
    t.regex(recovered.stderr, /older store would not be noticed/);
    t.is(recovered.stdout.split('\n')[0], did);
    const seal = ['tpm', 'seal', '--policy-key', operatorKeyFile, '--passphrase-file', fresh];
    t.is((await beam(...seal)).status, 0);
    t.is((await beam('key', 'show')).stdout.split('\n')[0], did);
  },
);

tpmTest(
  'a daemon reads its tunnel’s key through the TPM, and starts without it if the TPM is lost',
  async (t, test) => {
    const { beam, store } = await sealed(t, test);
    const conf = '[Interface]\nPrivateKey = ' + randomBytes(32).toString('base64') + '\n';
    const file = test.swtpm.write('beam7.conf', conf, 0o600);
    const adopted = await beam('key', 'adopt', file);
    t.is(adopted.status, 0, adopted.stderr);
    process.env['BEAM_TPM_TCTI'] = test.swtpm.tcti;
    const request = {
      storePath: store,
      tunnelId: 'beam7',
      passphrase: null,
      credentialsFolder: null,
    };
    const startMs = performance.now();
    const outcome = await readTunnelKey(request);
    t.log(`the store was opened in ${(performance.now() - startMs).toFixed(1)} ms`);
    if (outcome.kind !== 'key') return t.fail(outcome.details.found);
    t.is(outcome.key.byteLength, 32);
    outcome.key.destroy();
    await test.swtpm.halt();
    const lost = await readTunnelKey(request);
    t.is(lost.kind === 'locked' ? lost.details.code : 'key', 'E_TPM_ABSENT');
    const passphrase = test.swtpm.file('passphrase');
    const other = await readTunnelKey({ ...request, passphrase });
    t.is(other.kind === 'locked' ? other.details.code : 'key', 'E_TPM_ABSENT');
  },
);
