// Session keys in the native engine's memory: there while the session lives, in locked pages, and
// nowhere after it. Another process reads all that the engine's process could have written to.
import test from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadEngineAddon } from '../../../src/platform/nativeEngineAddon.js';
import { findKey, keyOf } from '../../support/keyMemory.js';
import { skip } from '../../support/skip.js';
import { hasBackend } from './probe.js';

const PROCESS = fileURLToPath(new URL('../../support/keyMemoryProcess.js', import.meta.url));
const CIPHERS = [
  ['ipsec-mb', 'ipsecMb'],
  ['openssl-evp', 'evp'],
] as const;

function subject(suite: string, cipher: string, seed: number) {
  const child = spawn(process.execPath, [PROCESS, suite, cipher, String(seed)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return {
    pid: child.pid!,
    tell: async (word: string): Promise<void> => {
      child.stdin.write(`${word}\n`);
      await once(child.stdout, 'data');
    },
    end: () => child.kill('SIGKILL'),
  };
}

for (const suite of ['chacha20-poly1305', 'aes-256-gcm'] as const) {
  for (const [backend, cipher] of CIPHERS) {
    test.serial(
      `${suite} keys are gone from memory when they are dropped: ${backend}`,
      async (t) => {
        const load = loadEngineAddon();
        if (load.addon === null || !hasBackend(load.addon, backend)) {
          skip(t, load.addon === null ? load.reason : `${backend} is not here`);
          return;
        }
        for (const ending of ['drop', 'close'] as const) {
          const seed = (process.pid * 1000 + performance.now()) >>> 0;
          const keys = [keyOf(seed), keyOf(seed + 1)] as const;
          const { pid, tell, end } = subject(suite, cipher, seed);
          try {
            await tell('install');
            try {
              accessSync(`/proc/${pid}/mem`, constants.R_OK);
            } catch {
              skip(t, 'another process’s memory may not be read here');
              return;
            }
            for (const key of keys) {
              const found = findKey(pid, key);
              t.true(found.length > 0, 'a key in use is found, or this test would prove nothing');
              // OpenSSL has copies of its own in its contexts.
              if (backend === 'ipsec-mb')
                t.deepEqual(
                  found.filter(({ locked }) => !locked),
                  [],
                );
              else t.true(found.some(({ locked }) => locked));
            }
            await tell(ending);
            for (const key of keys) t.deepEqual(findKey(pid, key), [], `after ${ending}`);
          } finally {
            end();
          }
        }
      },
    );
  }
}
