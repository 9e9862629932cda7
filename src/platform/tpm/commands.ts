// beam_tpm's commands with types: requests built, answers read. SPEC.md 10.21.
import { BugError } from '../../base/assert.js';
import { concat } from '../../base/bytes.js';
import { Secret } from '../../base/secret.js';
import { CAPABILITY, HIERARCHY, PROPERTY } from '../../tpm/constants.js';
import { sized, TpmReader, u16, u32 } from '../../tpm/encoding.js';
import { encodePcrs, readPcrs, type PcrSelection } from '../../tpm/pcr.js';
import { describeProperties, readHandles, readProperties } from '../../tpm/properties.js';
import type { TpmProperties } from '../../tpm/properties.js';
import { encodePublic, type PublicArea } from '../../tpm/publicArea.js';
import { decodeSignature, encodeSignature } from '../../tpm/signature.js';
import { toLowS } from '../../crypto/signature.js';
import type { CommandName } from './addon.js';
import type { TpmConnection } from './connection.js';

/** A storage key at a persistent handle, as it was pinned. */
export interface Parent {
  readonly handle: number;
  /** TPMT_PUBLIC. */
  readonly publicBytes: Uint8Array;
  /** 34 bytes: nameOf(publicBytes). A key of another name is refused. */
  readonly name: Uint8Array;
}

/** An object outside of the TPM: only the TPM that made it reads `privateBytes`. */
export interface Blob {
  /** TPM2B_PRIVATE's content. */
  readonly privateBytes: Uint8Array;
  /** TPMT_PUBLIC. */
  readonly publicBytes: Uint8Array;
}

export interface NamedPublic {
  /** TPMT_PUBLIC. */
  readonly publicBytes: Uint8Array;
  readonly name: Uint8Array;
}

/** What PolicyAuthorize takes. */
export interface ApprovedPolicy {
  /** TPMT_PUBLIC of the approver's key. */
  readonly approver: Uint8Array;
  readonly policy: Uint8Array;
  readonly policyRef: Uint8Array;
  /** SHA-256 of policy ‖ policyRef. */
  readonly signedDigest: Uint8Array;
  /** r and s. */
  readonly signature: Uint8Array;
}

export type Hierarchy = keyof typeof HIERARCHY;

const EMPTY = new Uint8Array(0);
const bytesOf = (secret: Secret | null): Uint8Array => secret?.expose() ?? EMPTY;
const parentPart = ({ handle, name }: Parent): Uint8Array => concat(u32(handle), sized(name));
const loadPart = (parent: Parent, blob: Blob): Uint8Array =>
  concat(parentPart(parent), sized(blob.privateBytes), sized(blob.publicBytes), sized(EMPTY));

/** Sends a request. The parts may hold secrets and were made for it: they are zeroed. */
function send(
  tpm: TpmConnection,
  command: CommandName,
  ...parts: readonly Uint8Array[]
): Promise<Uint8Array> {
  const request = concat(...parts);
  for (const part of parts) part.fill(0);
  return tpm.run(command, request);
}

const ask = async (...args: Parameters<typeof send>): Promise<TpmReader> =>
  new TpmReader(await send(...args));

function finished<Result>(reader: TpmReader, result: Result | null): Result {
  if (result === null || !reader.finished) throw new BugError('an answer of beam_tpm has its form');
  return result;
}

export async function readPropertiesOf(tpm: TpmConnection): Promise<TpmProperties> {
  const groups = [PROPERTY.familyIndicator, PROPERTY.permanent];
  const found = new Map<number, number>();
  for (const first of groups) {
    const answer = await tpm.run('capability', capabilityRequest(CAPABILITY.properties, first));
    const properties = readProperties(answer);
    if (properties === null) throw new BugError('properties have their form');
    for (const [property, value] of properties) found.set(property, value);
  }
  return describeProperties(found);
}

const PROPERTIES_AT_ONCE = 64;
const capabilityRequest = (kind: number, first: number): Uint8Array =>
  concat(u32(kind), u32(first), u32(PROPERTIES_AT_ONCE));

/** Handles in use from `first` on, in the range that it begins. */
export async function listHandles(tpm: TpmConnection, first: number): Promise<readonly number[]> {
  const handles = readHandles(
    await tpm.run('capability', capabilityRequest(CAPABILITY.handles, first)),
  );
  if (handles === null) throw new BugError('handles have their form');
  return handles;
}

/** Rejects with TpmError of kind `missing` if nothing is there. */
export async function readPublic(tpm: TpmConnection, handle: number): Promise<NamedPublic> {
  const reader = await ask(tpm, 'readPublic', u32(handle));
  return finished(reader, { publicBytes: reader.sized(), name: reader.sized() });
}

export async function flush(tpm: TpmConnection, handle: number): Promise<void> {
  await tpm.run('flush', u32(handle));
}

/** `persistent` null: made to be looked at, and gone again. */
export async function createPrimary(
  tpm: TpmConnection,
  wanted: {
    readonly hierarchy: Hierarchy;
    readonly hierarchyAuth: Secret | null;
    readonly template: PublicArea;
    readonly persistent: number | null;
  },
): Promise<NamedPublic> {
  const reader = await ask(
    tpm,
    'createPrimary',
    u32(HIERARCHY[wanted.hierarchy]),
    sized(bytesOf(wanted.hierarchyAuth)),
    sized(encodePublic(wanted.template)),
    u32(wanted.persistent ?? 0),
  );
  return finished(reader, { publicBytes: reader.sized(), name: reader.sized() });
}

/** A key of the TPM's own, or `secret` sealed. Borrows the secret. */
export async function create(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly template: PublicArea; readonly secret: Secret | null },
): Promise<Blob> {
  const reader = await ask(
    tpm,
    'create',
    parentPart(parent),
    sized(EMPTY),
    sized(bytesOf(wanted.secret)),
    sized(encodePublic(wanted.template)),
  );
  return finished(reader, { privateBytes: reader.sized(), publicBytes: reader.sized() });
}

/** ECDSA by a key of this TPM: r and s, s at most half of the order. `digest` has 32 bytes. */
export async function signDigest(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly key: Blob; readonly digest: Uint8Array },
): Promise<Uint8Array> {
  const request = concat(loadPart(parent, wanted.key), sized(wanted.digest));
  const signature = decodeSignature(await tpm.run('sign', request));
  if (signature === null) throw new BugError('a P-256 key signs with ECDSA');
  return toLowS(signature);
}

/** The caller owns the secret. Rejects with TpmError of kind `policy` for other register values. */
export async function unseal(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly sealed: Blob; readonly pcrs: PcrSelection; readonly approved: ApprovedPolicy },
): Promise<Secret> {
  const { approver, policy, policyRef, signedDigest, signature } = wanted.approved;
  const answer = await tpm.run(
    'unseal',
    concat(
      loadPart(parent, wanted.sealed),
      encodePcrs(wanted.pcrs),
      sized(approver),
      sized(policy),
      sized(policyRef),
      sized(signedDigest),
      encodeSignature(signature),
    ),
  );
  const reader = new TpmReader(answer);
  const secret = new Secret(reader.sized());
  answer.fill(0);
  return finished(reader, secret);
}

const PCRS_AT_ONCE = 8;

/** Values in the order of `pcrs`. */
export async function readPcrValues(
  tpm: TpmConnection,
  pcrs: PcrSelection,
): Promise<readonly Uint8Array[]> {
  const values: Uint8Array[] = [];
  for (let at = 0; at < pcrs.length; at += PCRS_AT_ONCE) {
    const some = pcrs.slice(at, at + PCRS_AT_ONCE);
    const reader = await ask(tpm, 'pcrRead', encodePcrs(some));
    reader.u32();
    const read = readPcrs(reader);
    const count = reader.u32();
    for (let i = 0; i < count && reader.ok; i++) values.push(reader.sized());
    finished(reader, read?.join() === some.join() ? some : null);
  }
  return values;
}

/** `digest` has 32 bytes, for the SHA-256 bank. */
export async function extendPcr(
  tpm: TpmConnection,
  { index, digest }: { readonly index: number; readonly digest: Uint8Array },
): Promise<void> {
  await tpm.run('pcrExtend', concat(u32(index), sized(digest)));
}

/** TPMS_ATTEST and TPMT_SIGNATURE. `nonce` has at most 64 bytes. */
export async function quoteRegisters(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly key: Blob; readonly nonce: Uint8Array; readonly pcrs: PcrSelection },
): Promise<{ readonly statement: Uint8Array; readonly signature: Uint8Array }> {
  const answer = await tpm.run(
    'quote',
    concat(loadPart(parent, wanted.key), sized(wanted.nonce), encodePcrs(wanted.pcrs)),
  );
  const reader = new TpmReader(answer);
  const statement = reader.sized();
  return { statement, signature: answer.slice(2 + statement.length) };
}

/** The secret of a credential made for this TPM and `key`. The caller owns it. */
export async function activateCredential(
  tpm: TpmConnection,
  parent: Parent,
  wanted: {
    readonly key: Blob;
    readonly endorsementAuth: Secret | null;
    readonly endorsementKey: PublicArea;
    readonly object: Uint8Array;
    readonly seed: Uint8Array;
  },
): Promise<Secret> {
  const answer = await send(
    tpm,
    'activateCredential',
    loadPart(parent, wanted.key),
    sized(bytesOf(wanted.endorsementAuth)),
    sized(encodePublic(wanted.endorsementKey)),
    sized(wanted.object),
    sized(wanted.seed),
  );
  const reader = new TpmReader(answer);
  const secret = new Secret(reader.sized());
  answer.fill(0);
  return finished(reader, secret);
}

/** `area` is TPM2B_NV_PUBLIC. */
export async function defineIndex(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly ownerAuth: Secret | null; readonly area: Uint8Array },
): Promise<void> {
  const ownerAuth = sized(bytesOf(wanted.ownerAuth));
  await send(tpm, 'nvDefine', parentPart(parent), ownerAuth, sized(EMPTY), wanted.area.slice());
}

export interface NvPublic {
  readonly attributes: number;
  readonly byteLength: number;
}

export async function readIndexPublic(tpm: TpmConnection, index: number): Promise<NvPublic> {
  const reader = await ask(tpm, 'nvReadPublic', u32(index));
  const area = new TpmReader(reader.sized());
  reader.sized();
  const found = area.u32();
  area.u16();
  const attributes = area.u32();
  area.sized();
  const byteLength = area.u16();
  finished(area, found === index ? found : null);
  return finished(reader, { attributes, byteLength });
}

export async function readIndex(
  tpm: TpmConnection,
  parent: Parent,
  wanted: { readonly index: number; readonly byteLength: number },
): Promise<Uint8Array> {
  const request = concat(
    parentPart(parent),
    u32(wanted.index),
    sized(EMPTY),
    u16(wanted.byteLength),
  );
  const reader = new TpmReader(await tpm.run('nvRead', request));
  return finished(reader, reader.sized());
}

export async function incrementIndex(
  tpm: TpmConnection,
  parent: Parent,
  index: number,
): Promise<void> {
  await tpm.run('nvIncrement', concat(parentPart(parent), u32(index), sized(EMPTY)));
}

export async function undefineIndex(
  tpm: TpmConnection,
  wanted: { readonly index: number; readonly ownerAuth: Secret | null },
): Promise<void> {
  await send(tpm, 'nvUndefine', u32(wanted.index), sized(bytesOf(wanted.ownerAuth)));
}
