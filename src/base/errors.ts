// Operator errors: a stable code, the place, what was expected, what was found, what to do next.

export interface OperatorErrorDetails {
  /** Stable, documented, `E_…`. */
  readonly code: `E_${string}`;
  /** File and line, path, interface or argument. */
  readonly place: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string;
}

/** An error that the person running Beam can mend. Printed as it stands; never a stack. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: OperatorErrorDetails['code'];
  readonly details: OperatorErrorDetails;

  constructor(details: OperatorErrorDetails, options?: { cause?: unknown }) {
    super(formatDetails(details), options);
    this.code = details.code;
    this.details = details;
  }
}

function formatDetails(details: OperatorErrorDetails): string {
  const { code, place, expected, found, remedy } = details;
  return `${code} ${place}: expected ${expected}, found ${found}\n  remedy: ${remedy}`;
}
