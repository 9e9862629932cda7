// Published vectors, kept outside the repository. A missing file is a skip, not a failure.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { skip } from './skip.js';

/** The folder: $BEAM_VECTORS, else shared/vectors beside the checkout. */
export const vectorsFolder = resolve(process.env['BEAM_VECTORS'] ?? '../shared/vectors');

/** The file's text, or null where it isn't there. */
export function loadVector(relativePath: string): string | null {
  return loadVectorBytes(relativePath)?.toString('utf8') ?? null;
}

export function loadVectorBytes(relativePath: string): Buffer | null {
  const path = join(vectorsFolder, relativePath);
  return existsSync(path) ? readFileSync(path) : null;
}

/** A test over vector files; skipped where one is missing. */
export function vectorTest(
  claim: string,
  relativePaths: readonly string[],
  run: (t: ExecutionContext, files: readonly Buffer[]) => void,
): void {
  test(claim, (t) => {
    const files = relativePaths.map(loadVectorBytes);
    const missing = relativePaths.filter((_, i) => files[i] === null);
    if (missing.length > 0) {
      skip(t, `no ${missing.join(', ')} in ${vectorsFolder}`);
      return;
    }
    run(
      t,
      files.filter((file) => file !== null),
    );
  });
}

/** Parses a vector file, for the caller to give a shape. */
export const parseVector = (file: Buffer | undefined): unknown =>
  JSON.parse((file ?? Buffer.from('null')).toString('utf8'));

export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
