// How much one UAPI client may send. SPEC.md 6.1.

/** A line without its end. */
export const MAX_LINE_BYTES = 4_096;
/** A request with its first and its empty line, line ends included. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
