// How a daemon tells the command that started it what it does and whether it works: one JSON object
// a line over a descriptor that BEAM_READY_FD names. SPEC.md 9.2.
import { closeSync, writeSync } from 'node:fs';
import { OperatorError, type OperatorErrorDetails } from '../base/errors.js';

export const READY_FD_VARIABLE = 'BEAM_READY_FD';
/** The waiting command's standard error, for what hooks print while the tunnel comes up. */
export const OUTPUT_FD_VARIABLE = 'BEAM_OUTPUT_FD';

export type ReadyMessage =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly errors: readonly OperatorErrorDetails[] };

/** The daemon's end. After `ready` or `failed` nothing more is sent. */
export interface Readiness {
  /** Where hooks may print to until `ready` or `failed`, when it is closed; null for nowhere. */
  readonly outputFd: number | null;
  /** Something was done, as wg-quick would print it after `[#]`. */
  step(text: string): void;
  warning(text: string): void;
  ready(): void;
  failed(errors: readonly OperatorErrorDetails[]): void;
}

/**
 * The channel to the command that waits, taken out of `env`; null if nobody does. Never throws: a
 * command that is gone no longer needs to be told.
 */
export function readinessFromEnvironment(env: NodeJS.ProcessEnv): Readiness | null {
  const readyFd = takeDescriptor(env, READY_FD_VARIABLE);
  const outputFd = takeDescriptor(env, OUTPUT_FD_VARIABLE);
  return readyFd === null ? null : new ReadinessPipe(readyFd, outputFd);
}

/** Hooks and later children must not take the variable for theirs. */
function takeDescriptor(env: NodeJS.ProcessEnv, variable: string): number | null {
  const text = env[variable] ?? '';
  Reflect.deleteProperty(env, variable);
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

class ReadinessPipe implements Readiness {
  #fd: number | null;
  #outputFd: number | null;

  constructor(fd: number, outputFd: number | null) {
    this.#fd = fd;
    this.#outputFd = outputFd;
  }

  get outputFd(): number | null {
    return this.#outputFd;
  }

  step(text: string): void {
    this.#send({ kind: 'step', text });
  }

  warning(text: string): void {
    this.#send({ kind: 'warning', text });
  }

  ready(): void {
    this.#send({ kind: 'ready' });
    this.#close();
  }

  failed(errors: readonly OperatorErrorDetails[]): void {
    this.#send({ kind: 'failed', errors });
    this.#close();
  }

  #send(message: ReadyMessage): void {
    if (this.#fd === null) return;
    let rest = Buffer.from(`${JSON.stringify(message)}\n`);
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch {
      this.#close();
    }
  }

  #close(): void {
    for (const fd of [this.#fd, this.#outputFd]) if (fd !== null) closeQuietly(fd);
    this.#fd = null;
    this.#outputFd = null;
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // EBADF: the variable named a descriptor that isn't open.
  }
}

/** What an error is to the one who reads it; null if it is a bug and not an operator's business. */
export function operatorErrors(error: unknown): readonly OperatorErrorDetails[] | null {
  if (error instanceof OperatorError) return [error.details];
  if (!(error instanceof AggregateError)) return null;
  const found = error.errors.map((one: unknown) => operatorErrors(one));
  return found.includes(null) ? null : found.flatMap((details) => details ?? []);
}

/** Null for anything that isn't a message. */
export function parseReadyMessage(line: string): ReadyMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('kind' in value)) return null;
  switch (value.kind) {
    case 'ready':
      return { kind: 'ready' };
    case 'step':
    case 'warning':
      if (!('text' in value) || typeof value.text !== 'string') return null;
      return { kind: value.kind, text: value.text };
    case 'failed':
      if (!('errors' in value) || !Array.isArray(value.errors)) return null;
      return { kind: 'failed', errors: value.errors as OperatorErrorDetails[] };
    default:
      return null;
  }
}
