// Keeps changes from cutting off the session that asks for them: judged before, looked at again
// after. SPEC.md 8.7.
import type { Session } from '../../platform/network/callerSession.js';
import { lockoutError, type LayoutChange } from '../../platform/network/lockout.js';
import type { Reporter, TunnelNetwork } from '../../platform/network/tunnelNetwork.js';
import type { Caller } from './lifecyclePorts.js';

export class LockoutGuard {
  readonly #network: TunnelNetwork;
  readonly #change: LayoutChange;
  readonly #session: Session | null;
  /** The interface that carries the session now. */
  readonly #device: string | null;

  private constructor(
    network: TunnelNetwork,
    change: LayoutChange,
    session: Session | null,
    device: string | null,
  ) {
    this.#network = network;
    this.#change = change;
    this.#session = session;
    this.#device = device;
  }

  /** Throws OperatorError E_LOCKOUT, unless forced; warns of others that will be cut off. */
  static async judge(
    network: TunnelNetwork,
    change: LayoutChange,
    { session, force, reporter }: Caller & { readonly reporter: Reporter },
  ): Promise<LockoutGuard> {
    if (session !== null) {
      const verdict = await network.judge(session, change);
      if (verdict.kind === 'cut') {
        if (!force) throw lockoutError(session, verdict.by, change.interfaceName);
        reporter.warn(`the session from ${session.client} will be cut off: ${verdict.by}`);
      }
    }
    const others = await network.othersCut(change, session);
    if (others.length > 0) reporter.warn(`SSH sessions will be cut off, from ${others.join(', ')}`);
    const watched = force ? null : session;
    const device = watched === null ? null : await network.sessionDevice(watched);
    return new LockoutGuard(network, change, watched, device);
  }

  /** After the change is in force. Throws OperatorError E_LOCKOUT if the session moved. */
  async confirm(): Promise<void> {
    if (this.#session === null || this.#device === null) return;
    const own = this.#change.interfaceName;
    const device = await this.#network.sessionDevice(this.#session);
    if (device !== this.#device && (device === own || this.#device === own))
      throw lockoutError(this.#session, `its packets go by ${device ?? 'no interface'} now`, own);
  }
}
