// beam tpm seal: the store's key, sealed to this machine's TPM. SPEC.md 10.22 and 10.27.
import { replaceSlots } from '../../agent/keys/keyStoreService.js';
import type { StoreSession } from '../../agent/keys/storeSession.js';
import { toHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import type { StoreKeyHolder } from '../../ports/keyManager.js';
import type { TpmConnection } from '../../platform/tpm/connection.js';
import { currentPolicy, type SealSettings } from '../../platform/tpm/holder.js';
import { tpmRollbackCounter } from '../../platform/tpm/keyManager.js';
import { pin } from '../../platform/tpm/storageKey.js';
import { tctiOf, tpmHolderFor, useTpm } from '../../platform/tpm/storeTpm.js';
import { DEFAULT_PCRS } from '../../tpm/pcr.js';
import { decodeSlot } from '../../tpm/sealedSlot.js';
import { withStore } from '../key/openSession.js';
import { EXIT, say } from '../report.js';
import { approverFrom, pcrsFrom, usage } from '../tpm/arguments.js';
import { askForSignature } from './tpmReseal.js';

export interface SealArguments {
  readonly store: string;
  readonly pcrs: string | undefined;
  readonly policyKey: string | undefined;
  readonly passphraseFile: string | undefined;
}

/** The slot takes the place of one that was there; passphrase and recovery slots stay. */
export async function seal(args: SealArguments): Promise<number> {
  const { policyKey, passphraseFile, store } = args;
  const pcrs = pcrsFrom(args.pcrs, DEFAULT_PCRS);
  if (policyKey === undefined) throw usage('--policy-key', 'a P-256 key in PEM', 'none');
  const settings = { pcrs, approver: await approverFrom(policyKey) };
  const { connect, close } = useTpm(tctiOf(process.env));
  try {
    return await withStore({ store, passphraseFile }, async (session) => {
      const tpm = await connect();
      await addSlot(tpm, session, settings);
      const policy = await currentPolicy(tpm, pcrs);
      if (settings.approver.sign === null) return askForSignature(policy, pcrs);
      process.stdout.write(`${toHex(policy)}\n`);
      say(`sealed to register ${pcrs.join()}; its value now is approved`);
      return EXIT.OK;
    });
  } finally {
    await close();
  }
}

async function addSlot(
  tpm: TpmConnection,
  session: StoreSession,
  settings: SealSettings,
): Promise<void> {
  const { path } = session.place;
  const holder = tpmHolderFor(path, () => Promise.resolve(tpm), settings);
  const body = await holder.seal(session.store.storeKey);
  if (settings.approver.sign !== null) await refuseUnopened(holder, body);
  const slot = decodeSlot(body)!;
  const parent = pin(slot.parentHandle, slot.parentPublic);
  session.countWith(tpmRollbackCounter(tpm, parent));
  await replaceSlots(session, ['tpm'], { kind: 'tpm', body });
}

/** A slot that doesn't open must not get into the store. */
async function refuseUnopened(holder: StoreKeyHolder, body: Uint8Array): Promise<void> {
  const outcome = await holder.unseal(body);
  if (outcome.kind === 'refused') throw new OperatorError(outcome.details);
  outcome.storeKey.destroy();
}
