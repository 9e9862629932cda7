// A test with a software TPM of its own, or a reason why it can't run here.
import test, { type ExecutionContext } from 'ava';
import { openTpm, type TpmConnection } from '../../src/platform/tpm/connection.js';
import { skip } from './skip.js';
import { Swtpm, swtpmUnavailable } from './swtpm.js';

const unavailable = swtpmUnavailable();

export interface TpmTest {
  readonly swtpm: Swtpm;
  /** The connection, opened when it is first asked for. The TPM serves one connection at a time. */
  readonly connect: () => Promise<TpmConnection>;
  /** Ends the connection, so that somebody else can have one. */
  readonly disconnect: () => Promise<void>;
  readonly reboot: () => Promise<void>;
}

export function tpmTest(
  claim: string,
  body: (t: ExecutionContext, tpm: TpmTest) => Promise<void>,
): void {
  test.serial(claim, async (t) => {
    if (unavailable !== null) {
      skip(t, unavailable);
      return;
    }
    const swtpm = await Swtpm.start();
    let connection: TpmConnection | null = null;
    const tpm: TpmTest = {
      swtpm,
      connect: async () => (connection ??= await openTpm(swtpm.tcti)),
      disconnect: async () => {
        await connection?.close();
        connection = null;
      },
      reboot: async () => {
        await tpm.disconnect();
        await swtpm.reboot();
      },
    };
    try {
      await body(t, tpm);
    } finally {
      await tpm.disconnect();
      await swtpm.destroy();
    }
  });
}
