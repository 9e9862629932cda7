// A store on the disk whose key is sealed to the test's software TPM, and `beam tpm` run on it.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createStore } from '../../src/agent/keys/storeSession.js';
import { systemEntropy } from '../../src/platform/entropy.js';
import { diskFiles } from '../../src/platform/keyStore/storeFiles.js';
import { enrolCounter } from '../../src/platform/tpm/counter.js';
import { tpmRollbackCounter } from '../../src/platform/tpm/keyManager.js';
import { DEFAULT_STORAGE_KEY, enrolStorageKey } from '../../src/platform/tpm/storageKey.js';
import { tpmHolderFor } from '../../src/platform/tpm/storeTpm.js';
import { DEFAULT_PCRS, type PcrSelection } from '../../src/tpm/pcr.js';
import { COUNTER_INDEX } from '../../src/tpm/templates.js';
import { operatorKey, type OperatorKey } from './operatorKey.js';
import type { TpmTest } from './tpmTest.js';

export interface CommandEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TpmStore {
  readonly path: string;
  readonly operator: OperatorKey;
  /** PEM files of the operator's key. */
  readonly privateKeyFile: string;
  readonly publicKeyFile: string;
  /** `beam tpm …` in a process of its own; the test's connection is closed before. */
  readonly beamTpm: (...args: readonly string[]) => Promise<CommandEnd>;
}

export async function sealedStore(
  test: TpmTest,
  options: { readonly pcrs?: PcrSelection; readonly sign?: boolean } = {},
): Promise<TpmStore> {
  const { swtpm, connect } = test;
  const folder = swtpm.file('keys');
  mkdirSync(folder, { mode: 0o700 });
  const path = `${folder}/store`;
  const operator = operatorKey();
  const sign = options.sign === false ? null : operator.sign;
  const settings = {
    pcrs: options.pcrs ?? DEFAULT_PCRS,
    approver: { point: operator.point, sign },
  };
  const tpm = await connect();
  const parent = await enrolStorageKey(tpm, DEFAULT_STORAGE_KEY);
  await enrolCounter({ tpm, parent, index: COUNTER_INDEX }, null);
  const counter = tpmRollbackCounter(tpm, parent);
  const session = await createStore({ path, files: diskFiles, entropy: systemEntropy, counter });
  const body = await tpmHolderFor(path, connect, settings).seal(session.store.storeKey);
  session.store.slots = [{ kind: 'tpm', body }];
  await session.save();
  session.close();
  const privateKeyFile = swtpm.write('operator.key', operator.privatePem, 0o600);
  const publicKeyFile = swtpm.write('operator.pub', operator.publicPem);
  return { path, operator, privateKeyFile, publicKeyFile, beamTpm: beamOn(test, path) };
}

function beamOn({ swtpm, disconnect }: TpmTest, path: string): TpmStore['beamTpm'] {
  return async (action, ...args) => {
    await disconnect();
    const main = 'dist/src/cli/main.js';
    const store = action === 'verify-quote' ? [] : ['--store', path];
    return spawnSync(process.execPath, [main, 'tpm', action, ...args, ...store], {
      encoding: 'utf8',
      env: { ...process.env, BEAM_TPM_TCTI: swtpm.tcti, NO_COLOR: '1' },
    });
  };
}
