// Published vectors through every cipher implementation of the native engine, and its BLAKE2s.
import type { EngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { loadEngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { skip } from '../../support/skip.js';
import { hex, parseVector, vectorTest } from '../../support/vectors.js';
import type { AeadCase } from './probe.js';
import { BACKENDS, OPERATION, hasBackend, open, seal } from './probe.js';

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly ivSize: number;
    readonly keySize: number;
    readonly tagSize: number;
    readonly tests: readonly {
      readonly tcId: number;
      readonly key: string;
      readonly iv: string;
      readonly aad: string;
      readonly msg: string;
      readonly ct: string;
      readonly tag: string;
      readonly result: 'valid' | 'invalid' | 'acceptable';
    }[];
  }[];
}

interface KernelFile {
  readonly enc: readonly KernelCase[];
  readonly dec: readonly KernelCase[];
}

interface KernelCase {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly aad: string;
  readonly nonce: string;
  readonly key: string;
  readonly failure_expected: boolean;
}

/**
 * dec_input013 is dec_input012 with the last bit of the tag flipped, and the kernel expects that one
 * to fail; the file has the flag one case early.
 */
const mustFail = ({ name, failure_expected }: KernelCase): boolean =>
  name === 'dec_input013' || (failure_expected && name !== 'dec_input012');

const load = loadEngineAddon();
const backends = Object.keys(BACKENDS) as (keyof typeof BACKENDS)[];

function withBackend(
  t: Parameters<typeof skip>[0],
  backend: keyof typeof BACKENDS,
  run: (addon: EngineAddon) => void,
): void {
  if (load.addon === null) skip(t, load.reason);
  else if (!hasBackend(load.addon, backend)) skip(t, `${backend} is not here`);
  else run(load.addon);
}

const equals = (a: Uint8Array | null, b: Uint8Array): boolean =>
  a !== null && Buffer.compare(a, b) === 0;

for (const backend of backends) {
  for (const [suite, file] of [
    ['chacha20-poly1305', 'wycheproof/chacha20_poly1305_test.json'],
    ['aes-256-gcm', 'wycheproof/aes_gcm_test.json'],
  ] as const) {
    vectorTest(`${backend} agrees with Wycheproof's ${suite}`, [file], (t, [text]) => {
      withBackend(t, backend, (addon) => {
        const { testGroups } = parseVector(text) as WycheproofFile;
        const usable = testGroups.filter(
          ({ ivSize, keySize, tagSize }) => ivSize === 96 && keySize === 256 && tagSize === 128,
        );
        let count = 0;
        for (const one of usable.flatMap(({ tests }) => tests)) {
          const input: AeadCase = {
            suite,
            key: hex(one.key),
            nonce: hex(one.iv),
            associated: hex(one.aad),
          };
          const sealed = Buffer.concat([hex(one.ct), hex(one.tag)]);
          const opened = open(addon, backend, input, sealed);
          const id = `case ${one.tcId}`;
          if (one.result === 'valid') {
            t.true(equals(opened, hex(one.msg)), id);
            t.true(equals(seal(addon, backend, input, hex(one.msg)), sealed), id);
          } else {
            t.is(opened, null, id);
          }
          count++;
        }
        t.true(count > 50, `${count} cases`);
      });
    });
  }

  vectorTest(
    `${backend} agrees with the kernel's ChaCha20-Poly1305 selftest`,
    ['wireguard/kernel-chacha20poly1305-selftest.json'],
    (t, [text]) => {
      withBackend(t, backend, (addon) => {
        const { enc, dec } = parseVector(text) as KernelFile;
        const inputOf = ({ key, nonce, aad }: KernelCase): AeadCase => ({
          suite: 'chacha20-poly1305',
          key: hex(key),
          // The simple construction's 8 bytes stand after four zeros; some cases have all twelve.
          nonce: Buffer.concat([new Uint8Array(12 - nonce.length / 2), hex(nonce)]),
          associated: hex(aad),
        });
        for (const one of enc) {
          const sealed = seal(addon, backend, inputOf(one), hex(one.input));
          t.true(equals(sealed, hex(one.output)), one.name);
        }
        for (const one of dec) {
          const opened = open(addon, backend, inputOf(one), hex(one.input));
          if (mustFail(one)) t.is(opened, null, one.name);
          else t.true(equals(opened, hex(one.output)), one.name);
        }
      });
    },
  );
}

/** Entry i is of the message 00 01 .. i-1; keyed ones have the key 00 .. 1f. */
interface HashFile {
  readonly unkeyed: readonly string[];
  readonly keyed: readonly string[];
}

vectorTest(
  "the engine's BLAKE2s agrees with the kernel's selftest",
  ['wireguard/kernel-blake2s-selftest.json'],
  (t, [text]) => {
    if (load.addon === null) {
      skip(t, load.reason);
      return;
    }
    const { unkeyed, keyed } = parseVector(text) as HashFile;
    const counting = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i);
    for (const [answers, key] of [
      [unkeyed, new Uint8Array(0)],
      [keyed, counting(32)],
    ] as const) {
      t.is(answers.length, 256);
      for (const [bytes, answer] of answers.entries()) {
        const request = Buffer.concat([Uint8Array.of(32, key.length), key, counting(bytes)]);
        t.true(equals(load.addon.probe(OPERATION.hash, request), hex(answer)), `${bytes} bytes`);
      }
    }
  },
);
