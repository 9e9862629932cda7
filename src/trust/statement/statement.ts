// What can be stated, and the strict reading of it. SPEC.md 12.7.
import { fromHex } from '../../base/bytes.js';
import { parseDid } from '../../identity/identity.js';
import { ANY_CONTEXT, type Did } from '../opinion.js';
import { canonicalJson, type Json } from './canonicalJson.js';

interface Head<Kind extends string> {
  readonly v: 1;
  readonly kind: Kind;
  readonly issuer: Did;
  /** Unix seconds. */
  readonly issued: number;
}
interface Expiring {
  /** Unix seconds. */
  readonly expires: number;
}

export interface TrustStatement extends Head<'trust'>, Expiring {
  readonly subject: Did;
  readonly context: string;
  readonly level: number;
  readonly evidence: readonly Evidence[];
}
export interface Evidence {
  readonly kind: EvidenceKind;
  /** SHA-256 of what it refers to, in hexadecimal; a statement's id for introduction and behaviour. */
  readonly digest: string;
}
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];
export const EVIDENCE_KINDS = ['operator', 'introduction', 'behaviour', 'attestation'] as const;

export interface RevocationStatement extends Head<'revocation'> {
  readonly subject: Did;
  readonly reason: RevocationReason;
}
export type RevocationReason = (typeof REVOCATION_REASONS)[number];
export const REVOCATION_REASONS = ['compromised', 'lost', 'retired', 'misbehaved'] as const;

export interface RotationStatement extends Head<'rotation'>, Expiring {
  readonly tunnel: string;
  /** X25519, base64url. */
  readonly key: string;
  readonly epoch: number;
}

export interface SuccessionStatement extends Head<'succession'> {
  readonly subject: Did;
  readonly successor: Did | null;
  readonly guardians: readonly Did[];
  /** How many guardians it takes; 0 where there are none. */
  readonly needed: number;
}

export interface ReputationStatement extends Head<'reputation'>, Expiring {
  readonly subject: Did;
  readonly positive: number;
  readonly negative: number;
}

export interface MembershipStatement extends Head<'membership'>, Expiring {
  readonly context: string;
  readonly addresses: readonly string[];
  readonly endpoints: readonly string[];
}

export type Statement =
  | TrustStatement
  | RevocationStatement
  | RotationStatement
  | SuccessionStatement
  | ReputationStatement
  | MembershipStatement;

export const LIFETIME_MAX_S = 400 * 86_400;
const LIST_MAX = 16;
const EVIDENCE_MAX = 8;
const TEXT_MAX = 64;
const COUNT_MAX = 1_000_000;

/** A field's check. */
type Check = (value: Json | undefined) => boolean;

const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value);
const whole =
  (max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const listOf =
  (check: Check, max: number): Check =>
  (value) =>
    Array.isArray(value) && value.length <= max && value.every((one: Json) => check(one));
const distinct =
  (check: Check): Check =>
  (value) =>
    check(value) && new Set(value as string[]).size === (value as string[]).length;

const did: Check = (value) => typeof value === 'string' && parseDid(value) !== null;
const seconds = whole(253_402_300_799);
const CONTEXT = /^[a-z0-9._-]{1,64}$/;
const plainText: Check = (value) =>
  typeof value === 'string' && value.length <= TEXT_MAX && /^[\x21-\x7e]+$/.test(value);
const digest: Check = (value) =>
  typeof value === 'string' && /^[0-9a-f]*$/.test(value) && fromHex(value, 32) !== null;
const level: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 1 && Math.round(value * 1e4) / 1e4 === value;
const evidence: Check = (value) => hasExactly(value, { kind: oneOf(EVIDENCE_KINDS), digest });

type Fields = Readonly<Record<string, Check>>;

const HEAD: Fields = { v: (value) => value === 1, kind: () => true, issuer: did, issued: seconds };
const EXPIRING: Fields = { ...HEAD, expires: seconds };

export const isContext = (text: string): boolean => CONTEXT.test(text) || text === ANY_CONTEXT;

const FIELDS: Readonly<Record<Statement['kind'], Fields>> = {
  trust: {
    ...EXPIRING,
    subject: did,
    context: (value) => typeof value === 'string' && isContext(value),
    level,
    evidence: listOf(evidence, EVIDENCE_MAX),
  },
  revocation: { ...HEAD, subject: did, reason: oneOf(REVOCATION_REASONS) },
  rotation: {
    ...EXPIRING,
    tunnel: matching(/^[a-zA-Z0-9_=+.-]{1,15}$/),
    key: matching(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/),
    epoch: whole(Number.MAX_SAFE_INTEGER),
  },
  succession: {
    ...HEAD,
    subject: did,
    successor: (value) => value === null || did(value),
    guardians: distinct(listOf(did, LIST_MAX)),
    needed: whole(LIST_MAX),
  },
  reputation: { ...EXPIRING, subject: did, positive: whole(COUNT_MAX), negative: whole(COUNT_MAX) },
  membership: {
    ...EXPIRING,
    context: matching(CONTEXT),
    addresses: listOf(plainText, LIST_MAX),
    endpoints: listOf(plainText, LIST_MAX),
  },
};

/** Null for anything but a statement with exactly its fields, each within its bounds. */
export function readStatement(value: Json): Statement | null {
  const kind = isObject(value) ? value['kind'] : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) return null;
  if (!hasExactly(value, FIELDS[kind as Statement['kind']])) return null;
  const statement = value as unknown as Statement;
  return isConsistent(statement) ? statement : null;
}

/** What no single field shows. */
function isConsistent(statement: Statement): boolean {
  const { issuer, issued } = statement;
  if ('expires' in statement) {
    const lifetime = statement.expires - issued;
    if (lifetime <= 0 || lifetime > LIFETIME_MAX_S) return false;
  }
  switch (statement.kind) {
    case 'trust':
    case 'reputation':
      return statement.subject !== issuer;
    case 'succession':
      return isConsistentSuccession(statement);
    case 'revocation':
    case 'rotation':
    case 'membership':
      return true;
  }
}

/** Guardians are named by the subject itself; they then sign with no guardians of their own. */
function isConsistentSuccession(statement: SuccessionStatement): boolean {
  const { issuer, subject, successor, guardians, needed } = statement;
  if (successor === subject || guardians.includes(subject)) return false;
  if (issuer !== subject) return guardians.length === 0 && needed === 0 && successor !== null;
  return guardians.length === 0 ? needed === 0 : needed >= 1 && needed <= guardians.length;
}

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function hasExactly(value: Json | undefined, fields: Fields): boolean {
  if (!isObject(value)) return false;
  const names = Object.keys(value);
  return (
    names.length === Object.keys(fields).length &&
    names.every((name) => Object.hasOwn(fields, name) && fields[name]!(value[name]))
  );
}

export const statementBytes = (statement: Statement): Uint8Array =>
  new TextEncoder().encode(canonicalJson(statement as unknown as Json));

/** As much of a statement as names its slot. */
export type SlotParts =
  | Pick<TrustStatement, 'kind' | 'issuer' | 'subject' | 'context'>
  | Pick<RevocationStatement | ReputationStatement, 'kind' | 'issuer' | 'subject'>
  | Pick<RotationStatement, 'kind' | 'issuer' | 'tunnel'>
  | SuccessionStatement
  | Pick<MembershipStatement, 'kind' | 'issuer' | 'context'>;

/** What a statement replaces and is replaced by. */
export function slotOf(statement: SlotParts): string {
  const { issuer, kind } = statement;
  switch (statement.kind) {
    case 'trust':
      return `${issuer} ${kind} ${statement.subject} ${statement.context}`;
    case 'revocation':
    case 'reputation':
      return `${issuer} ${kind} ${statement.subject}`;
    // Each that says something else is kept: two that contradict each other must both be seen.
    case 'succession': {
      const { subject, successor, guardians, needed } = statement;
      return `${issuer} ${kind} ${subject} ${successor ?? '-'} ${needed} ${guardians.join(' ')}`;
    }
    case 'rotation':
      return `${issuer} ${kind} ${statement.tunnel}`;
    case 'membership':
      return `${issuer} ${kind} ${statement.context}`;
  }
}
