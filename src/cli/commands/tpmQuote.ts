// beam tpm quote and verify-quote. SPEC.md 10.26 and 10.27.
import { fromHex, toHex } from '../../base/bytes.js';
import { OperatorError } from '../../base/errors.js';
import { createAttestationKey, takeQuote } from '../../platform/tpm/attestation.js';
import type { Blob, Parent } from '../../platform/tpm/commands.js';
import type { TpmConnection } from '../../platform/tpm/connection.js';
import { pin } from '../../platform/tpm/storageKey.js';
import {
  readAttestationKey,
  readStoreSlots,
  writeAttestationKey,
} from '../../platform/tpm/storeTpm.js';
import { HIERARCHY } from '../../tpm/constants.js';
import { PCR_COUNT, type PcrSelection } from '../../tpm/pcr.js';
import { nameOf, qualifiedNameOf } from '../../tpm/publicArea.js';
import { verifyQuote, type Expected, type VerifiedQuote } from '../../tpm/quote.js';
import { formatQuote, parseQuote, type QuoteFile } from '../../tpm/quoteFile.js';
import { EXIT } from '../report.js';
import { fileFrom, nonceFrom, pcrsFrom, unfit, usage } from '../tpm/arguments.js';
import { renderTable } from '../tpm/render.js';
import { withTpm } from './tpm.js';

export interface QuoteArguments {
  readonly store: string;
  readonly pcrs: string | undefined;
  readonly nonce: string | undefined;
}

const ALL_PCRS: PcrSelection = Array.from({ length: PCR_COUNT }, (_, index) => index);

export async function quote(args: QuoteArguments): Promise<number> {
  const nonce = nonceFrom(args.nonce);
  const pcrs = pcrsFrom(args.pcrs, ALL_PCRS);
  return withTpm(async (tpm) => {
    const { tpm: slot } = await readStoreSlots(args.store);
    const parent = pin(slot.parentHandle, slot.parentPublic);
    const key = await attestationKeyOf(tpm, parent, args.store);
    const taken = await takeQuote(tpm, parent, { key, nonce, pcrs });
    const text = formatQuote({ ...taken, key: key.publicBytes, parent: parent.publicBytes, pcrs });
    process.stdout.write(text);
    return EXIT.OK;
  });
}

/** The one in the file, or a new one that is kept there. */
async function attestationKeyOf(tpm: TpmConnection, parent: Parent, store: string): Promise<Blob> {
  const kept = await readAttestationKey(store);
  if (kept !== null) return kept;
  const made = await createAttestationKey(tpm, parent);
  await writeAttestationKey(store, made);
  return made;
}

export interface VerifyArguments {
  readonly file: string | undefined;
  readonly key: string | undefined;
  readonly nonce: string | undefined;
  readonly pcrs: string | undefined;
  readonly previous: string | undefined;
  readonly json: boolean;
}

/** Throws OperatorError E_TPM_QUOTE for a quote that is refused. */
export async function verifyQuoteFile(args: VerifyArguments): Promise<number> {
  if (args.file === undefined) throw usage('verify-quote', 'the file of a quote', 'none');
  const nonce = nonceFrom(args.nonce);
  const found = await quoteFrom(args.file);
  refuseOtherKey(found, args.key);
  const parentName = nameOf(found.parent);
  const expected: Expected = {
    attestationKey: found.key,
    qualifiedSigner: qualifiedNameOf(HIERARCHY.owner, [parentName, nameOf(found.key)]),
    nonce,
    pcrs: pcrsFrom(args.pcrs, ALL_PCRS),
    previous: args.previous === undefined ? null : await clockOf(args.previous, found),
  };
  const verdict = verifyQuote(found, expected);
  if (verdict.kind === 'refused') throw refusedQuote(args.file, verdict.reason);
  print(verdict.quote, expected.pcrs, args.json);
  return EXIT.OK;
}

async function quoteFrom(path: string): Promise<QuoteFile> {
  const parsed = parseQuote((await fileFrom(path)).toString('latin1'));
  if (parsed === null) throw unfit(path, 'a quote as `beam tpm quote` prints it', 'something else');
  return parsed;
}

const NAME_HEX = 68;

/** The verifier says whose quote it must be; the file only says whose it claims to be. */
function refuseOtherKey(found: QuoteFile, text: string | undefined): void {
  const key = text === undefined ? null : fromHex(text, text.length / 2);
  if (key === null) throw usage('--key', 'a name or a public area in hex', text ?? 'none');
  const claimed = text!.length === NAME_HEX ? nameOf(found.key) : found.key;
  if (toHex(claimed) === toHex(key)) return;
  throw refusedQuote('--key', `the quote is by another key, ${toHex(nameOf(found.key))}`);
}

/** The clock in an earlier quote by the same key, whose own nonce doesn't matter any more. */
async function clockOf(path: string, now: QuoteFile): Promise<Expected['previous']> {
  const earlier = await quoteFrom(path);
  const { clock } = clockIn(earlier, now.key) ?? {};
  if (clock !== undefined) return clock;
  throw unfit(path, 'an earlier quote by the same key', 'another one');
}

function clockIn(earlier: QuoteFile, key: Uint8Array): Pick<VerifiedQuote, 'clock'> | null {
  const verdict = verifyQuote(earlier, {
    attestationKey: key,
    qualifiedSigner: null,
    nonce: null,
    pcrs: earlier.pcrs,
    previous: null,
  });
  return verdict.kind === 'verified' ? verdict.quote : null;
}

function refusedQuote(place: string, found: string): OperatorError {
  return new OperatorError({
    code: 'E_TPM_QUOTE',
    place,
    expected: 'a quote that proves what was asked for',
    found,
    remedy: 'don’t trust the device on this quote; ask for one with a new nonce',
  });
}

function print(verified: VerifiedQuote, pcrs: PcrSelection, json: boolean): void {
  const { clock, since, firmwareVersion, values } = verified;
  const registers = pcrs.map((index, i) => [String(index), toHex(values[i]!)] as const);
  if (json) {
    const document = {
      format: 1,
      verified: true,
      since,
      resetCount: clock.resetCount,
      restartCount: clock.restartCount,
      clockMs: String(clock.clockMs),
      clockSafe: clock.safe,
      firmwareVersion: String(firmwareVersion),
      registers: Object.fromEntries(registers),
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  const lines: (readonly [string, string])[] = [
    ['verified', SINCE_WORDS[since]],
    ['reboots', `${clock.resetCount}, resumes since ${clock.restartCount}`],
    ...registers.map(([index, value]) => [`register ${index}`, value] as const),
  ];
  process.stdout.write(renderTable(lines));
}

const SINCE_WORDS: Readonly<Record<VerifiedQuote['since'], string>> = {
  first: 'no earlier quote to compare with',
  running: 'running on since the earlier quote',
  resumed: 'resumed since the earlier quote',
  rebooted: 'rebooted since the earlier quote',
};
