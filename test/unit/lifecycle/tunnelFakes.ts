// A device and a system that only write down what they are told, for tests of the lifecycle.
import type { LifecyclePorts } from '../../../src/agent/lifecycle/lifecyclePorts.js';
import type { PeerLiveness, TunnelControl } from '../../../src/agent/lifecycle/tunnelControl.js';
import { OperatorError } from '../../../src/base/errors.js';
import type { IpAddress } from '../../../src/base/ip.js';
import { toBase64 } from '../../../src/base/bytes.js';
import { parseTunnelConfig } from '../../../src/config/file/parseTunnelConfig.js';
import type { TunnelConfig } from '../../../src/config/tunnelConfig.js';
import type { DeviceChange, DeviceSnapshot } from '../../../src/peer/change.js';
import type { Session } from '../../../src/platform/network/callerSession.js';
import type { NetworkFacts } from '../../../src/platform/network/facts.js';
import type { LockoutVerdict } from '../../../src/platform/network/lockout.js';
import { describeStep, type Step } from '../../../src/platform/network/networkItem.js';
import type { NetworkChanges, TunnelNetwork } from '../../../src/platform/network/tunnelNetwork.js';
import { VirtualClock, VirtualTime } from '../../support/virtualTime.js';
import { facts } from '../network/fixtures.js';

export function config(text: string): TunnelConfig {
  const parsed = parseTunnelConfig(text, { file: 'wg0.conf', name: 'wg0' });
  if (parsed.kind === 'refused') throw parsed.errors[0]!;
  return parsed.config;
}

export const failure = (what: string): OperatorError =>
  new OperatorError({ code: 'E_NETWORK', place: what, expected: 'x', found: 'y', remedy: 'z' });

/** Everything that was asked for, in order; one of it can be made to fail. */
export class Recorder {
  readonly lines: string[] = [];
  readonly warnings: string[] = [];
  failAt: string | null = null;
  onLine: (line: string) => void = () => undefined;
  readonly time = new VirtualTime(1_000_000);
  readonly clock = new VirtualClock(this.time, 5_000_000);
  facts: NetworkFacts = facts();
  verdict: LockoutVerdict = { kind: 'safe' };
  /** By which interface the caller's session goes, one answer after the other. */
  devices: string[] = [];
  others: string[] = [];
  addresses = new Map<string, readonly IpAddress[]>();
  readonly liveness = new Map<string, PeerLiveness>();
  snapshot: DeviceSnapshot = {
    privateKey: null,
    publicKey: null,
    listenPort: 1,
    fwmark: 0,
    peers: [],
  };

  note(line: string): void {
    this.lines.push(line);
    this.onLine(line);
    if (line === this.failAt) throw failure(line);
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  get ports(): LifecyclePorts {
    return {
      host: {
        open: (name) => {
          this.note(`open ${name}`);
          return Promise.resolve(this.#control(name));
        },
      },
      network: this.#network(),
      clock: this.clock,
      lookUp: (host) => {
        const addresses = this.addresses.get(host);
        return addresses === undefined
          ? Promise.reject(new Error(`no ${host}`))
          : Promise.resolve(addresses);
      },
      zoneIndex: (zone) => (zone === 'eth0' ? 2 : null),
      reporter: { progress: () => undefined, warn: (text) => this.warnings.push(text) },
      log: () => undefined,
      saveConfig: () => {
        this.note('save');
        return Promise.resolve();
      },
      startRetries: 15,
    };
  }

  #control(interfaceName: string): TunnelControl {
    return {
      interfaceName,
      applyChange: (change) => this.note(`device ${describeChange(change)}`),
      snapshot: () => this.snapshot,
      liveness: (publicKey) => this.liveness.get(toBase64(publicKey)) ?? null,
      close: () => {
        this.note('close');
        return Promise.resolve();
      },
    };
  }

  #network(): TunnelNetwork {
    return {
      recover: () => Promise.resolve(false),
      facts: () => Promise.resolve(this.facts),
      judge: () => Promise.resolve(this.verdict),
      othersCut: () => Promise.resolve(this.others),
      sessionDevice: () => Promise.resolve(this.devices.shift() ?? 'eth0'),
      begin: () => Promise.resolve(this.#changes()),
      runHook: async ({ name, command }) => {
        await Promise.resolve();
        this.note(`${name} ${command}`);
      },
    };
  }

  #changes(): NetworkChanges {
    const all = async (verb: string, steps: readonly Step[]): Promise<void> => {
      await Promise.resolve();
      for (const step of steps) this.note(`${verb} ${step.verb} ${describeStep(step, 'wg0')[0]!}`);
    };
    const note = async (line: string): Promise<void> => {
      await Promise.resolve();
      this.note(line);
    };
    return {
      attach: () => note('attach'),
      execute: (steps) => all('do', steps),
      rollBack: (steps) => all('undo', steps),
      setPostDown: (commands) => note(`recordPostDown ${commands?.join() ?? 'none'}`),
      removeAll: async (scope) => {
        await Promise.resolve();
        this.lines.push(scope);
        return this.failAt === scope ? [failure(scope)] : [];
      },
      finish: () => note('finish'),
    };
  }
}

/** The kinds of fields that a change has, and its peers by the first character of their keys. */
function describeChange(change: DeviceChange): string {
  const fields = (['privateKey', 'listenPort', 'fwmark'] as const).flatMap((field) =>
    change[field] === undefined
      ? []
      : field === 'privateKey'
        ? ['key']
        : [`${field}=${String(change[field])}`],
  );
  const peers = change.peers.map((peer) => {
    const edits = peer.allowedIps.map(({ edit }) => (edit === 'add' ? '+' : '-')).join('');
    const endpoint = peer.endpoint === undefined ? '' : `@${peer.endpoint.address}`;
    return `${peer.remove ? '!' : ''}${toBase64(peer.publicKey).slice(0, 1)}${edits}${endpoint}`;
  });
  return [...fields, ...peers].join(' ');
}

export const SESSION: Session = { client: '203.0.113.7', server: '192.0.2.1', serverPort: 22 };
