// Terms of a symbolic model of handshakes, and what an attacker can derive (SPEC.md 11.16). Cryptography
// is perfect: who lacks a key learns nothing and changes nothing. Terms are text; equal text, equal term.

export const publicKey = (secret: string): string => `pub(${secret})`;
export const dh = (a: string, b: string): string => `dh(${[a, b].sort().join(',')})`;
export const ciphertext = (kemSecret: string, random: string): string =>
  `ct(${kemSecret},${random})`;
export const sharedSecret = (kemSecret: string, random: string): string =>
  `ss(${kemSecret},${random})`;

/** Noise's SymmetricState: what was mixed into the key, and the transcript. Never changed in place. */
export interface Symmetric {
  readonly mixed: readonly string[];
  readonly sealed: number;
  readonly transcript: string;
}

/** Long terms get a short name, the same for the same term. */
const names = new Map<string, string>();
function named(kind: string, term: string): string {
  const known = names.get(term);
  if (known !== undefined) return known;
  const name = `${kind}${names.size}`;
  names.set(term, name);
  return name;
}

export const start = (prologue: string): Symmetric => ({
  mixed: [],
  sealed: 0,
  transcript: named('h', `start(${prologue})`),
});

export const mixHash = (state: Symmetric, term: string): Symmetric => ({
  ...state,
  transcript: named('h', `hash(${state.transcript},${term})`),
});

export const mixKey = (state: Symmetric, secret: string): Symmetric => ({
  ...state,
  mixed: [...state.mixed, secret],
  sealed: 0,
});

/** What seals a plaintext in this state; before any key it is the plaintext. */
export const sealedTerm = (state: Symmetric, plaintext: string): string =>
  state.mixed.length === 0
    ? plaintext
    : named('c', `seal(${keyTerm(state)},${state.sealed},${state.transcript},${plaintext})`);

/** EncryptAndHash and DecryptAndHash alike. */
export function afterSealing(state: Symmetric, plaintext: string): Symmetric {
  const hashed = mixHash(state, sealedTerm(state, plaintext));
  return { ...hashed, sealed: state.sealed + 1 };
}

export const keyTerm = (state: Symmetric): string => state.mixed.join(' ');

/** What an attacker knows: secrets by name, signatures and ciphertexts that it has seen. */
export interface Knowledge {
  readonly secrets: ReadonlySet<string>;
  readonly seen: ReadonlySet<string>;
}

/** True if the attacker can compute the key of this state. */
export const derivesKey = (knowledge: Knowledge, state: Symmetric): boolean =>
  state.mixed.every((term) => derives(knowledge, term));

/** Of a DH result either private key is enough; of a shared secret the KEM's key or its randomness. */
function derives({ secrets }: Knowledge, term: string): boolean {
  const [, kind, first = '', second = ''] = /^(dh|ss)\((.*),(.*)\)$/.exec(term) ?? [];
  if (kind === undefined) return secrets.has(term);
  return secrets.has(first) || secrets.has(second);
}
