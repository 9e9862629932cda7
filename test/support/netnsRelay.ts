// A seeded bad network between two ends: a UDP relay in a namespace of its own that loses,
// duplicates, delays, corrupts, records and injects datagrams (this kernel has no netem). This half
// steers it from the test; netnsRelayProcess.ts is the relay.
import { fileURLToPath } from 'node:url';
import type { Namespace } from './netnsNetwork.js';
import { waitFor } from './netnsProcess.js';
import type { Background } from './netnsProcess.js';

export type Direction = 'toTarget' | 'toClient';

/** Probabilities from 0 to 1, each thrown for every datagram. */
export interface RelayRules {
  readonly lose: number;
  readonly duplicate: number;
  /** Flip one bit of it. */
  readonly corrupt: number;
  /** Hold it back for `delayMs`, so that later ones overtake it. */
  readonly delay: number;
  readonly delayMs: number;
}

export const FAITHFUL: RelayRules = { lose: 0, duplicate: 0, corrupt: 0, delay: 0, delayMs: 0 };

export interface RelayOptions {
  readonly seed: number;
  readonly listen: { readonly address: string; readonly port: number };
  readonly target: { readonly address: string; readonly port: number };
  readonly record: boolean;
}

export type RelayCommand =
  | { readonly kind: 'rules'; readonly rules: RelayRules }
  | {
      readonly kind: 'inject';
      readonly direction: Direction;
      readonly datagrams: readonly Buffer[];
      readonly from: 'relay' | 'stranger';
    }
  | { readonly kind: 'counts' }
  | { readonly kind: 'recorded' };

export type RelayCounts = Readonly<
  Record<'forwarded' | 'lost' | 'duplicated' | 'corrupted' | 'delayed' | 'injected', number>
>;

export interface RecordedDatagram {
  readonly direction: Direction;
  readonly bytes: Buffer;
}

const PROCESS = fileURLToPath(new URL('netnsRelayProcess.js', import.meta.url));

export class Relay {
  readonly #process: Background;

  private constructor(process: Background) {
    this.#process = process;
  }

  static async start(namespace: Namespace, options: RelayOptions): Promise<Relay> {
    const process_ = namespace.spawn([process.execPath, PROCESS, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    await waitFor('the relay listens', () => {
      if (process_.outcome !== null) throw new Error(`relay ended: ${process_.log}`);
      return process_.stdout.includes('listening');
    });
    return new Relay(process_);
  }

  /** In force when it resolves. */
  async setRules(rules: Partial<RelayRules>): Promise<void> {
    this.#process.child.send({ kind: 'rules', rules: { ...FAITHFUL, ...rules } });
    await this.counts();
  }

  /**
   * Sends datagrams as if they had come from the other side; as a stranger, from a port that the
   * receiver hasn't seen before.
   */
  async inject(
    direction: Direction,
    datagrams: readonly Buffer[],
    from: 'relay' | 'stranger' = 'relay',
  ): Promise<void> {
    this.#process.child.send({ kind: 'inject', direction, datagrams, from });
    await this.counts();
  }

  async counts(): Promise<RelayCounts> {
    return (await this.#ask({ kind: 'counts' })) as RelayCounts;
  }

  /** What came in, in order, before any rule was applied. */
  async recorded(): Promise<readonly RecordedDatagram[]> {
    return (await this.#ask({ kind: 'recorded' })) as readonly RecordedDatagram[];
  }

  /** Commands are carried out in order, so an answer also says that those before are done. */
  #ask(command: RelayCommand): Promise<unknown> {
    const { child } = this.#process;
    return new Promise((resolve, reject) => {
      const failed = (): void => reject(new Error(`relay ended: ${this.#process.log}`));
      child.once('exit', failed);
      child.once('message', (answer) => {
        child.off('exit', failed);
        resolve(answer);
      });
      child.send(command);
    });
  }
}
