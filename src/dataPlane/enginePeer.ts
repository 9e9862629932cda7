// What the packet path knows of one peer. SPEC.md 4.
import type { Instant } from '../base/time.js';
import type { PeerId } from '../ports/dataPlane.js';
import type { Path } from '../ports/udp.js';
import { Keyring } from '../session/keyring.js';
import type { TransportSession } from '../session/transportSession.js';
import type { MutableActivity } from './eventQueue.js';
import { StagedPackets } from './stagedPackets.js';

export class EnginePeer {
  readonly id: PeerId;
  readonly keyring: Keyring<TransportSession>;
  readonly staged = new StagedPackets();
  path: Path | null = null;
  /** UDP payload bytes; exact to 2^53. */
  receivedBytes = 0;
  sentBytes = 0;
  keysNeededAt: Instant | null = null;
  /** The report that waits to be delivered. */
  activity: MutableActivity | null = null;

  constructor(id: PeerId, dropSession: (session: TransportSession) => void) {
    this.id = id;
    this.keyring = new Keyring(dropSession);
  }

  /** Lets routing choose the source address. */
  clearLocalAddress(): void {
    if (this.path !== null && this.path.local !== null) {
      this.path = { remote: this.path.remote, local: null };
    }
  }
}

export function samePath(a: Path | null, b: Path): boolean {
  if (a === b) return true;
  if (a === null) return false;
  const { remote, local } = a;
  return (
    remote.port === b.remote.port &&
    remote.address === b.remote.address &&
    remote.scopeId === b.remote.scopeId &&
    local?.address === b.local?.address &&
    local?.interfaceIndex === b.local?.interfaceIndex
  );
}
