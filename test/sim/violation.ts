// How a simulation says that an invariant broke.

export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Throws Violation with the text unless the claim holds. */
export function must(holds: boolean, broken: () => string): asserts holds {
  if (!holds) throw new Violation(broken());
}
