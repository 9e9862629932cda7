// genkey, genpsk, pubkey: what `wg` does under these names. SPEC.md 9.1.
import { fstatSync, writeSync } from 'node:fs';
import { keyFromBase64, toBase64 } from '../../base/bytes.js';
import { systemEntropy } from '../../platform/entropy.js';
import { EXIT, outputFailure, say } from '../report.js';

const KEY_BYTES = 32;
const KEY_CHARACTERS = 44;
const STDOUT = 1;

export function genkey(): number {
  warnIfOthersMayRead();
  const key = systemEntropy(KEY_BYTES);
  // Clamped (RFC 7748 section 5), so that every tool prints the same key again.
  key[0]! &= 0xf8;
  key[31] = (key[31]! & 0x7f) | 0x40;
  return print(key);
}

export function genpsk(): number {
  warnIfOthersMayRead();
  return print(systemEntropy(KEY_BYTES));
}

/** Private key on standard input; `wg`'s words where it isn't one. */
export async function pubkey(): Promise<number> {
  const text = await readStandardInput();
  if (/[^ \t\n\v\f\r\0]/.test(text.slice(KEY_CHARACTERS))) {
    say('beam: Trailing characters found after key');
    return EXIT.OPERATOR;
  }
  const key = keyFromBase64(text.slice(0, KEY_CHARACTERS));
  if (key === null) {
    say('beam: Key is not the correct length or format');
    return EXIT.OPERATOR;
  }
  const { createStaticIdentity } = await import('../../handshake/wireguard.js');
  const identity = createStaticIdentity(key);
  try {
    return print(identity.publicKey);
  } finally {
    identity.privateKey.destroy();
  }
}

function print(key: Uint8Array): number {
  const text = Buffer.from(`${toBase64(key)}\n`);
  try {
    for (let at = 0; at < text.length;) at += writeSync(STDOUT, text, at);
    return EXIT.OK;
  } catch (error) {
    return outputFailure(error as NodeJS.ErrnoException);
  }
}

function warnIfOthersMayRead(): void {
  const stat = fstatSync(STDOUT);
  if (!stat.isFile() || (stat.mode & 0o007) === 0) return;
  say('Warning: writing to world accessible file.');
  say('Consider setting the umask to 077 and trying again.');
}

/** Longer input than this is no key, whatever follows. */
const MAX_INPUT_BYTES = 4096;

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) break;
  }
  return Buffer.concat(chunks).toString('latin1');
}
