// A network of namespaces: made with addresses and links, used, and always removed. Only what
// happens inside them is touched; the machine's own network is left alone.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { destroyNamespace, interfaceName, namespaceName } from './netnsLeftovers.js';
import { runCommand, runToEnd, startBackground } from './netnsProcess.js';
import type { Background, CommandResult, RunOptions } from './netnsProcess.js';

/** Where the names of a network's namespaces and interfaces come from. */
export interface Naming {
  namespace(name: string): string;
  interface(serial: number): string;
}

const TEST_NAMING: Naming = {
  namespace: (name) => namespaceName(process.pid, name),
  interface: (serial) => interfaceName(process.pid, serial),
};
let interfaceSerial = 0;

/** Everything that one test makes; `close` removes it. */
export class Network {
  readonly #naming: Naming;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  #folder: string | null = null;

  constructor(naming: Naming = TEST_NAMING) {
    this.#naming = naming;
  }

  /** A new namespace with loopback up and IPv6 on, without duplicate address detection. */
  async namespace(name: string): Promise<Namespace> {
    const namespace = new Namespace(this.#naming.namespace(name));
    this.#namespaces.set(namespace.name, namespace);
    await runCommand(['ip', 'netns', 'add', namespace.name]);
    await namespace.run('ip', 'link', 'set', 'lo', 'up');
    await namespace.sysctl('net.ipv6.conf.default.accept_dad', 0);
    // Removing the first address of a subnet must not take the others with it.
    await namespace.sysctl('net.ipv4.conf.all.promote_secondaries', 1);
    await namespace.sysctl('net.ipv6.conf.all.disable_ipv6', 0);
    return namespace;
  }

  /** A veth pair between two namespaces, up, with addresses in `address/length` form. */
  async link(a: LinkEnd, b: LinkEnd, mtu = 1500): Promise<void> {
    const pair = ['type', 'veth', 'peer', 'name', b.device, 'netns', b.namespace.name];
    await a.namespace.run('ip', 'link', 'add', a.device, 'mtu', `${mtu}`, ...pair);
    await b.namespace.run('ip', 'link', 'set', b.device, 'mtu', `${mtu}`);
    for (const { namespace, device, addresses } of [a, b]) {
      await namespace.run('ip', 'link', 'set', device, 'up');
      for (const address of addresses) await namespace.addAddress(device, address);
    }
  }

  /** A name that no other tunnel of any namespace has: UAPI sockets share one folder. */
  newInterfaceName(): string {
    return this.#naming.interface(interfaceSerial++);
  }

  /** A file that only root reads, gone with the network. */
  file(name: string, content: string): string {
    const path = join(this.folder(), name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'beam-t-'));
    return this.#folder;
  }

  /** Runs before the namespaces go, the last one first. */
  onClose(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /** What the processes that still run or that failed have said, for a test that fails. */
  logs(): string[] {
    return [...this.#namespaces.values()].flatMap((namespace) => namespace.logs());
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    const namespaces = [...this.#namespaces.values()];
    await Promise.all(namespaces.map((namespace) => namespace.close()));
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
  }
}

export interface LinkEnd {
  readonly namespace: Namespace;
  readonly device: string;
  readonly addresses: readonly string[];
}

const LOG_TAIL_CHARACTERS = 4_000;

export class Namespace {
  readonly name: string;
  readonly #background: { readonly process: Background; readonly command: string }[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** The command line that runs `command` in here. */
  command(command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...command];
  }

  /** Runs a command that must succeed; gives its stdout. */
  run(...command: readonly string[]): Promise<string> {
    return runCommand(this.command(command));
  }

  runWith(options: RunOptions, ...command: readonly string[]): Promise<string> {
    return runCommand(this.command(command), options);
  }

  /** Runs a command whose status the caller looks at. */
  try(...command: readonly string[]): Promise<CommandResult> {
    return runToEnd(this.command(command));
  }

  spawn(
    command: readonly string[],
    options: Parameters<typeof startBackground>[1] = {},
  ): Background {
    const process = startBackground(this.command(command), options);
    this.#background.push({ process, command: command.join(' ') });
    return process;
  }

  async addAddress(device: string, address: string): Promise<void> {
    const noDetection = address.includes(':') ? ['nodad'] : [];
    await this.run('ip', 'address', 'add', address, 'dev', device, ...noDetection);
  }

  async sysctl(key: string, value: string | number): Promise<void> {
    await this.run('sysctl', '-q', '-w', `${key}=${value}`);
  }

  /** Loads nftables rules from text. */
  async nft(rules: string): Promise<void> {
    await this.run('nft', rules);
  }

  /**
   * Puts one nftables rule into a hook (input, output, prerouting…), before connection tracking;
   * the result takes it out again.
   */
  async rule(hook: string, rule: string): Promise<() => Promise<void>> {
    const table = `rule${this.#rules++}`;
    await this.nft(`table inet ${table} {
      chain only {
        type filter hook ${hook} priority -300;
        ${rule}
      }
    }`);
    return async () => {
      await this.run('nft', 'delete', 'table', 'inet', table);
    };
  }
  #rules = 0;

  /** Packets that named counters of an nftables table (family inet) have seen. */
  async nftCounters(table: string): Promise<Readonly<Record<string, number>>> {
    const text = await this.run('nft', '-j', 'list', 'counters', 'table', 'inet', table);
    const { nftables } = JSON.parse(text) as {
      nftables: { counter?: { name: string; packets: number } }[];
    };
    return Object.fromEntries(
      nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])),
    );
  }

  logs(): string[] {
    return this.#background
      .filter(({ process }) => process.outcome?.status !== 0)
      .map(({ process, command }) => {
        const text = process.log.slice(-LOG_TAIL_CHARACTERS).trimEnd();
        return `--- ${this.name}: ${command}\n${text}`;
      });
  }

  async close(): Promise<void> {
    await Promise.all(this.#background.map(({ process }) => process.stop()));
    await destroyNamespace(this.name);
  }
}
