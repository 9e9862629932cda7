// A connection to a TPM: one command at a time, in the order they were asked for, and its failures as
// a type. SPEC.md 10.21.
import { OperatorError } from '../../base/errors.js';
import { explainFailure, kindOf, type FailureKind, type TpmFailure } from '../../tpm/failure.js';
import { loadTpmAddon, type CommandName, type NativeConnection, type TpmAddon } from './addon.js';

/** A command that the TPM refused. An operator's error where nobody handles its kind. */
export class TpmError extends OperatorError {
  readonly failure: TpmFailure;
  readonly kind: FailureKind;

  constructor(failure: TpmFailure, place: string) {
    super(explainFailure(failure, place));
    this.failure = failure;
    this.kind = kindOf(failure);
  }
}

export interface TpmConnection {
  /** How tpm2-tss was told to find it: the place in errors. */
  readonly tcti: string;
  /**
   * Resolves with the answer's bytes, which the caller owns. Rejects with TpmError. `request` is
   * zeroed once it was taken over.
   */
  run(command: CommandName, request: Uint8Array): Promise<Uint8Array>;
  /** After what is under way. */
  close(): Promise<void>;
}

/** The kernel's resource manager; `BEAM_TPM_TCTI` names another (SPEC.md 10.21). */
export const DEFAULT_TCTI = 'device:/dev/tpmrm0';

/** Throws OperatorError: E_TPM_UNSUPPORTED without addon or libraries, E_TPM_ABSENT without a TPM. */
export async function openTpm(tcti: string): Promise<TpmConnection> {
  const load = loadTpmAddon();
  if (load.addon === null) {
    throw new OperatorError({
      code: 'E_TPM_UNSUPPORTED',
      place: 'tpm',
      expected: 'Beam’s TPM addon and tpm2-tss',
      found: load.reason,
      remedy:
        'as root: apt-get install libtss2-dev libtss2-esys-3.0.2-0 libtss2-tctildr0 libtss2-rc0, then npm run setup',
    });
  }
  const { addon } = load;
  let native: NativeConnection | null = null;
  await settled(tcti, (done) => {
    native = addon.open(tcti, done);
  });
  return new Connection(tcti, addon, native!);
}

class Connection implements TpmConnection {
  readonly tcti: string;
  readonly #addon: TpmAddon;
  readonly #native: NativeConnection;
  /** Settles when everything that was asked for so far has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | null = null;

  constructor(tcti: string, addon: TpmAddon, native: NativeConnection) {
    this.tcti = tcti;
    this.#addon = addon;
    this.#native = native;
  }

  run(command: CommandName, request: Uint8Array): Promise<Uint8Array> {
    if (this.#closed !== null) return Promise.reject(this.#error('the connection was closed'));
    return this.#queue(() =>
      settled(this.tcti, (done) => {
        try {
          this.#addon.run(this.#native, command, request, done);
        } finally {
          request.fill(0);
        }
      }),
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#queue(async () => {
      await settled(this.tcti, (done) => this.#addon.close(this.#native, done));
    });
    return this.#closed;
  }

  #queue<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #error(meaning: string): TpmError {
    const ended = { code: 0x000a000a, step: 'close', meaning };
    return new TpmError(ended, this.tcti);
  }
}

type Start = (
  done: (code: number, step: string, meaning: string, answer: Uint8Array | null) => void,
) => void;

function settled(place: string, start: Start): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    start((code, step, meaning, answer) => {
      if (answer !== null) resolve(answer);
      else reject(new TpmError({ code, step, meaning }, place));
    });
  });
}
