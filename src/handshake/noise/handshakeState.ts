// HandshakeState (SPEC.md 3.7; Noise section 5.3): runs any pattern, one message at a time. A
// message that is refused leaves it where it was, because each is tried on a copy.
import { assert, assertNever } from '../../base/assert.js';
import { Secret } from '../../base/secret.js';
import { TAG_BYTES } from '../../crypto/aead.js';
import type { Entropy } from '../../ports/entropy.js';
import { CipherState } from './cipherState.js';
import type { Token } from './patterns.js';
import type { NoiseProtocol } from './protocol.js';
import { SymmetricState } from './symmetricState.js';

export interface KeyPair {
  readonly privateKey: Secret;
  readonly publicKey: Uint8Array;
}

export interface HandshakeOptions {
  readonly protocol: NoiseProtocol;
  readonly role: 'initiator' | 'responder';
  readonly prologue: Uint8Array;
  /** Borrowed. Null where the pattern has no static key of ours. */
  readonly localStatic: KeyPair | null;
  /** The peer's static key where the pattern has it as known before; else null. */
  readonly remoteStatic: Uint8Array | null;
  /** Borrowed; 32 bytes each, one for each token psk, in order. */
  readonly psks: readonly Secret[];
  readonly entropy: Entropy;
}

/** Noise section 3. */
const MAX_MESSAGE_BYTES = 65_535;

/** What the messages so far have made. `#attempt` copies it, and keeps the copy or drops it. */
interface Progress {
  readonly symmetric: SymmetricState;
  localEphemeral: KeyPair | null;
  remoteEphemeral: Uint8Array | null;
  remoteStatic: Uint8Array | null;
  /** The secret key of e1, with whoever sent it; the public key, with whoever received it. */
  kemSecret: Secret | null;
  kemPublic: Uint8Array | null;
  psksUsed: number;
}

export class HandshakeState {
  readonly #options: HandshakeOptions;
  readonly #protocol: NoiseProtocol;
  #progress: Progress;
  #messageIndex = 0;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#protocol = options.protocol;
    checkKeys(options);
    const symmetric = SymmetricState.start(options.protocol, options.protocol.name);
    symmetric.mixHash(options.prologue);
    for (const owner of options.protocol.pattern.knownStatics) {
      const key = owner === options.role ? options.localStatic?.publicKey : options.remoteStatic;
      symmetric.mixHash(key!);
    }
    this.#progress = {
      symmetric,
      localEphemeral: null,
      remoteEphemeral: null,
      remoteStatic: options.remoteStatic,
      kemSecret: null,
      kemPublic: null,
      psksUsed: 0,
    };
  }

  /** Who sends the next message; null when the handshake is finished. */
  get nextSender(): 'initiator' | 'responder' | null {
    return this.#protocol.pattern.messages[this.#messageIndex]?.from ?? null;
  }

  /** The peer's static key as soon as it is known. Authentic only when the handshake is finished. */
  get remoteStatic(): Uint8Array | null {
    return this.#progress.remoteStatic;
  }

  /** HASHLEN bytes; names this handshake once it is finished. Noise section 11.2. */
  get handshakeHash(): Uint8Array {
    return this.#progress.symmetric.handshakeHash;
  }

  /** The next message; null, and no step, if a key of the peer is of low order or malformed. */
  writeMessage(payload: Uint8Array): Uint8Array | null {
    assert(this.nextSender === this.#options.role, 'it is our turn to send');
    return this.#attempt((progress, tokens) => {
      const parts: Uint8Array[] = [];
      for (const token of tokens) {
        const part = this.#writeToken(token, progress);
        if (part === null) return null;
        parts.push(part);
      }
      parts.push(progress.symmetric.encryptAndHash(payload));
      const message = new Uint8Array(Buffer.concat(parts));
      assert(message.length <= MAX_MESSAGE_BYTES, 'a Noise message has at most 65,535 bytes');
      return message;
    });
  }

  /** The payload of the peer's next message; null, and no step, if it is refused. */
  readMessage(message: Uint8Array): Uint8Array | null {
    const sender = this.nextSender;
    assert(sender !== null && sender !== this.#options.role, "it is the peer's turn to send");
    if (message.length > MAX_MESSAGE_BYTES) return null;
    return this.#attempt((progress, tokens) => {
      let rest = message;
      for (const token of tokens) {
        const bytes = this.#tokenBytes(token, progress.symmetric.hasKey);
        if (rest.length < bytes) return null;
        if (!this.#readToken(token, rest.subarray(0, bytes), progress)) return null;
        rest = rest.subarray(bytes);
      }
      return progress.symmetric.decryptAndHash(rest);
    });
  }

  /**
   * The transport states of a finished handshake, whose other secrets are then zeroed. In a
   * one-way pattern only the initiator's direction may be used.
   */
  split(): { send: CipherState; receive: CipherState } {
    const { initiatorKey, responderKey } = this.splitKeys();
    const first = new CipherState(this.#protocol.cipher, initiatorKey);
    const second = new CipherState(this.#protocol.cipher, responderKey);
    return this.#options.role === 'initiator'
      ? { send: first, receive: second }
      : { send: second, receive: first };
  }

  /**
   * The two keys of a finished handshake, 32 bytes each, for protocols that derive more from them.
   * The other secrets are then zeroed; the keys are the caller's to zero.
   */
  splitKeys(): { initiatorKey: Uint8Array; responderKey: Uint8Array } {
    assert(this.nextSender === null, 'the handshake is finished');
    const keys = this.#progress.symmetric.split();
    this.destroy();
    return keys;
  }

  /** Zeroes every secret made here; the static key and the psks belong to their owner. */
  destroy(): void {
    this.#progress.symmetric.destroy();
    this.#progress.localEphemeral?.privateKey.destroy();
    this.#progress.kemSecret?.destroy();
  }

  #attempt(
    run: (progress: Progress, tokens: readonly Token[]) => Uint8Array | null,
  ): Uint8Array | null {
    const before = this.#progress;
    const trial: Progress = { ...before, symmetric: before.symmetric.clone() };
    const tokens = this.#protocol.pattern.messages[this.#messageIndex]!.tokens;
    const result = run(trial, tokens);
    if (result === null) {
      trial.symmetric.destroy();
      if (trial.localEphemeral !== before.localEphemeral)
        trial.localEphemeral?.privateKey.destroy();
      if (trial.kemSecret !== before.kemSecret) trial.kemSecret?.destroy();
      return null;
    }
    before.symmetric.destroy();
    this.#progress = trial;
    this.#messageIndex++;
    return result;
  }

  #writeToken(token: Token, progress: Progress): Uint8Array | null {
    const { symmetric } = progress;
    const { dh, kem, usesPsk } = this.#protocol;
    switch (token) {
      case 'e': {
        const privateKey = dh.generate(this.#options.entropy);
        const publicKey = dh.publicKey(privateKey);
        progress.localEphemeral = { privateKey: new Secret(privateKey), publicKey };
        symmetric.mixHash(publicKey);
        if (usesPsk) symmetric.mixKey(publicKey);
        return publicKey;
      }
      case 's':
        return symmetric.encryptAndHash(this.#options.localStatic!.publicKey);
      case 'e1': {
        const { publicKey, secretKey } = kem!.keygen(this.#options.entropy);
        progress.kemSecret = new Secret(secretKey);
        return symmetric.encryptAndHash(publicKey);
      }
      case 'ekem1': {
        const made = kem!.encapsulate(progress.kemPublic!, this.#options.entropy);
        if (made === null) return null;
        const sealed = symmetric.encryptAndHash(made.ciphertext);
        mixAndZero(symmetric, made.sharedSecret);
        return sealed;
      }
      default:
        return this.#mixToken(token, progress) ? NOTHING : null;
    }
  }

  #readToken(token: Token, bytes: Uint8Array, progress: Progress): boolean {
    const { symmetric } = progress;
    switch (token) {
      case 'e':
        progress.remoteEphemeral = bytes.slice();
        symmetric.mixHash(bytes);
        if (this.#protocol.usesPsk) symmetric.mixKey(bytes);
        return true;
      case 's':
        progress.remoteStatic = symmetric.decryptAndHash(bytes);
        return progress.remoteStatic !== null;
      case 'e1':
        progress.kemPublic = symmetric.decryptAndHash(bytes);
        return progress.kemPublic !== null;
      case 'ekem1': {
        const ciphertext = symmetric.decryptAndHash(bytes);
        if (ciphertext === null) return false;
        const secretKey = progress.kemSecret!.expose();
        const sharedSecret = this.#protocol.kem!.decapsulate(ciphertext, secretKey);
        if (sharedSecret === null) return false;
        mixAndZero(symmetric, sharedSecret);
        return true;
      }
      default:
        return this.#mixToken(token, progress);
    }
  }

  /** The tokens that send nothing and mean the same to both sides. */
  #mixToken(token: 'ee' | 'es' | 'se' | 'ss' | 'psk', progress: Progress): boolean {
    switch (token) {
      case 'psk':
        progress.symmetric.mixKeyAndHash(this.#options.psks[progress.psksUsed++]!.expose());
        return true;
      case 'ee':
      case 'es':
      case 'se':
      case 'ss': {
        const shared = this.#agree(token, progress);
        if (shared === null) return false;
        mixAndZero(progress.symmetric, shared);
        return true;
      }
      default:
        return assertNever(token);
    }
  }

  /** The token's first letter is the initiator's key, its second the responder's. */
  #agree(token: 'ee' | 'es' | 'se' | 'ss', progress: Progress): Uint8Array | null {
    const initiating = this.#options.role === 'initiator';
    const [ours, theirs] = initiating ? [token[0], token[1]] : [token[1], token[0]];
    const local = ours === 'e' ? progress.localEphemeral : this.#options.localStatic;
    const remote = theirs === 'e' ? progress.remoteEphemeral : progress.remoteStatic;
    return this.#protocol.dh.agree(local!.privateKey.expose(), remote!);
  }

  #tokenBytes(token: Token, sealed: boolean): number {
    const tagBytes = sealed ? TAG_BYTES : 0;
    switch (token) {
      case 'e':
        return this.#protocol.dh.keyBytes;
      case 's':
        return this.#protocol.dh.keyBytes + tagBytes;
      case 'e1':
        return this.#protocol.kem!.publicKeyBytes + tagBytes;
      case 'ekem1':
        return this.#protocol.kem!.ciphertextBytes + tagBytes;
      default:
        return 0;
    }
  }
}

const NOTHING = new Uint8Array(0);

function mixAndZero(symmetric: SymmetricState, secret: Uint8Array): void {
  symmetric.mixKey(secret);
  secret.fill(0);
}

/** A handshake set up without a key that its pattern needs is a bug of the caller. */
function checkKeys({ protocol, role, localStatic, remoteStatic, psks }: HandshakeOptions): void {
  const { knownStatics, messages } = protocol.pattern;
  const sendsStatic = messages.some(({ from, tokens }) => from === role && tokens.includes('s'));
  const knowsOurs = knownStatics.includes(role);
  const knowsTheirs = knownStatics.some((owner) => owner !== role);
  assert(localStatic !== null || !(sendsStatic || knowsOurs), 'the pattern has our static key');
  assert(knowsTheirs === (remoteStatic !== null), 'the pattern says who is known before');
  const wanted = messages.flatMap(({ tokens }) => tokens).filter((token) => token === 'psk').length;
  assert(psks.length === wanted, 'one psk for each token');
  assert(
    psks.every((psk) => psk.byteLength === 32),
    'a psk has 32 bytes',
  );
}
