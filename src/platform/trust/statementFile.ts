// The statements on the disk: read with every signature checked, replaced so that a crash leaves the old
// file or the new one. SPEC.md 12.9.
import { OperatorError } from '../../base/errors.js';
import type { StoreFiles } from '../../ports/storeFiles.js';
import {
  verifyKeptStatement,
  type VerifiedStatement,
} from '../../trust/statement/signedStatement.js';

/** No statements if there is no file. Throws OperatorError E_TRUST_FILE. */
export async function loadStatements(
  files: StoreFiles,
  path: string,
): Promise<VerifiedStatement[]> {
  const bytes = await guarded(path, () => files.read(path));
  return bytes === null ? [] : parseStatements(bytes, path);
}

/** One statement a line. Throws OperatorError E_TRUST_FILE for the first line that isn't one. */
export function parseStatements(bytes: Uint8Array, place: string): VerifiedStatement[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, i) => {
    const verdict = verifyKeptStatement(line);
    if (verdict.kind === 'verified') return verdict.statement;
    throw new OperatorError({
      code: 'E_TRUST_FILE',
      place: `${place}:${i + 1}`,
      expected: 'a statement with its issuer’s signature',
      found: verdict.reason,
      remedy: 'restore the file from a backup, or delete the line if you know what it was',
    });
  });
}

/** Replaces the file. If it rejects or the process ends, the old or the new one is there. */
export async function saveStatements(
  files: StoreFiles,
  path: string,
  statements: Iterable<VerifiedStatement>,
): Promise<void> {
  const bytes = new TextEncoder().encode(formatStatements(statements));
  const fresh = `${path}.new`;
  await guarded(path, async () => {
    await files.unlink(fresh);
    await files.create(fresh);
    await files.write(fresh, bytes);
    await files.flush(fresh);
    await files.rename(fresh, path);
    await files.flushFolderOf(path);
  });
}

/** In the order of ids, so that two files of the same statements are the same. */
export function formatStatements(statements: Iterable<VerifiedStatement>): string {
  const sorted = [...statements].sort((a, b) => (a.id < b.id ? -1 : 1));
  return sorted.map(({ text }) => `${text}\n`).join('');
}

/** The errors of the files, as what they are here. */
async function guarded<Result>(place: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof OperatorError)) throw cause;
    const { found, remedy } = cause.details;
    const expected = 'a file of statements that can be read and written';
    throw new OperatorError({ code: 'E_TRUST_FILE', place, expected, found, remedy }, { cause });
  }
}
