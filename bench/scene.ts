// The network of every measurement: two namespaces, one veth of MTU 1500, a tunnel of MTU 1420 whose
// two ends are the same subject.
import { Network } from '../test/support/netnsNetwork.js';
import type { Namespace } from '../test/support/netnsNetwork.js';
import { INNER, OUTER, twoEnds } from '../test/support/netnsTopology.js';
import { waitForPing } from '../test/support/netnsTraffic.js';
import type { Running, Subject } from './subject.js';

export interface Scene {
  readonly net: Network;
  readonly a: Namespace;
  readonly b: Namespace;
  /** Null for the bare wire. */
  readonly subject: (Running & Pick<Subject, 'figures' | 'wireGuardFrames'>) | null;
  /** Where b is reached: through the tunnel, or on the wire. */
  readonly addressOfB: string;
}

/** Runs `measure` in a fresh network with fresh processes; null measures the bare wire. */
export async function withScene<T>(
  subject: Subject | null,
  measure: (scene: Scene) => Promise<T>,
): Promise<T> {
  const net = new Network();
  try {
    const { a, b } = await twoEnds(net);
    if (subject === null) {
      return await measure({ net, a, b, subject: null, addressOfB: OUTER.b[4] });
    }
    const { figures, wireGuardFrames } = subject;
    const running = await subject.start(net, { a, b });
    await waitForPing(a, INNER.b[4]);
    return await measure({
      ...{ net, a, b, addressOfB: INNER.b[4] },
      subject: { ...running, figures, wireGuardFrames },
    });
  } finally {
    await net.close();
  }
}
