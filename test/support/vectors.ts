// Published vectors, kept outside the repository. A missing file is reported, not failed.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ExecutionContext } from 'ava';

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

/** The parsed file, for the caller to give a shape; where it is missing the test says so and passes. */
export function requireVector(t: ExecutionContext, relativePath: string): unknown {
  const text = loadVector(relativePath);
  if (text !== null) return JSON.parse(text);
  t.log(`skipped: no ${relativePath} in ${vectorsFolder}`);
  t.pass();
  return null;
}
