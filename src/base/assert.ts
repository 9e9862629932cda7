// Checks for bugs: they crash the process, so they never depend on peer input.

/** A broken invariant of Beam itself. Never thrown because of what a peer or an operator sent. */
export class BugError extends Error {
  override readonly name = 'BugError';
}

export function assert(condition: unknown, claim: string): asserts condition {
  if (condition !== true) throw new BugError(`broken invariant: ${claim}`);
}

/** Closes a `switch` over a union: a new case is a compile error here. */
export function assertNever(value: never): never {
  throw new BugError(`unexpected case: ${JSON.stringify(value)}`);
}
