// Tests in network namespaces: each gets a network of its own, which is always taken down.
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { namespacesUnavailable } from './netnsAvailable.js';
import { removeLeftovers } from './netnsLeftovers.js';
import { Network } from './netnsNetwork.js';
import { skip } from './skip.js';

// What a namespace test is written with comes from one place.
export { Namespace, Network } from './netnsNetwork.js';
export type { LinkEnd } from './netnsNetwork.js';

export interface NamespaceTestOptions {
  /** Runs in `npm run test:long` only. */
  readonly long?: string;
  /** A reason why this machine can't run it, found out when it starts. */
  readonly unless?: () => string | null | Promise<string | null>;
  readonly timeoutMs?: number;
}

/**
 * A test with a network of its own, which is taken down after it, come what may. Where namespaces
 * can't be used the test counts as skipped, with the reason. Tests of one file run one at a time.
 */
export function namespaceTest(
  claim: string,
  body: (t: ExecutionContext, net: Network) => Promise<void>,
  options: NamespaceTestOptions = {},
): void {
  test.serial(claim, async (t) => {
    const reason = await cannotRun(options);
    if (reason !== null) {
      skip(t, reason);
      return;
    }
    t.timeout(options.timeoutMs ?? 90_000);
    const net = new Network();
    try {
      await body(t, net);
    } catch (error) {
      for (const line of net.logs()) t.log(line);
      throw error;
    } finally {
      await net.close();
    }
  });
}

async function cannotRun(options: NamespaceTestOptions): Promise<string | null> {
  machineReason ??= { reason: namespacesUnavailable() };
  if (machineReason.reason !== null) return machineReason.reason;
  if (options.long !== undefined && process.env['BEAM_LONG'] === undefined) {
    return `long: ${options.long}; npm run test:long`;
  }
  return (await options.unless?.()) ?? null;
}
let machineReason: { readonly reason: string | null } | null = null;
test.before(() => removeLeftovers(() => undefined));
