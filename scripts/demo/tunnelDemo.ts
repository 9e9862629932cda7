// The demo proper: two network namespaces with a wire, `beam` in each with a configuration file as
// anybody would write it, traffic, the picture that `beam status` draws, and a clean end.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { destroyNamespace } from '../../test/support/netnsLeftovers.js';
import { Network } from '../../test/support/netnsNetwork.js';
import type { Namespace } from '../../test/support/netnsNetwork.js';
import { runToEnd } from '../../test/support/netnsProcess.js';
import { iperf, ping, transfer } from '../../test/support/netnsTraffic.js';
import { formatBytes, formatRate } from './output.js';
import type { Narrator } from './output.js';

const NAMESPACE_PREFIX = 'beam-demo-';
const BEAM = [process.execPath, 'dist/src/cli/main.js'];
const FILE_BYTES = 16e6;
const IPERF_S = 3;

interface Site {
  readonly name: string;
  /** The tunnel's interface; also the name of its file. */
  readonly tunnel: string;
  readonly outer: string;
  readonly inner: readonly [string, string];
}

const OFFICE: Site = {
  name: 'office',
  tunnel: 'demo-office',
  outer: '192.0.2.1',
  inner: ['10.99.0.1', 'fd99::1'],
};
const LAPTOP: Site = {
  name: 'laptop',
  tunnel: 'demo-laptop',
  outer: '192.0.2.2',
  inner: ['10.99.0.2', 'fd99::2'],
};
const SITES = [OFFICE, LAPTOP];
const OFFICE_PORT = 51820;

/** Runs `beam` with these arguments; what it says when it fails is the error. */
async function beam(
  namespace: Namespace | null,
  args: readonly string[],
  input = '',
): Promise<string> {
  const command = namespace === null ? [...BEAM, ...args] : namespace.command([...BEAM, ...args]);
  const result = await runToEnd(command, { input });
  if (result.status === 0) return result.stdout;
  throw new Error(`beam ${args.join(' ')} failed:\n${result.stderr}${result.stdout}`);
}

export class TunnelDemo {
  readonly #narrator: Narrator;
  readonly #net: Network;
  readonly #folder = mkdtempSync(join(tmpdir(), NAMESPACE_PREFIX));
  readonly #namespaces = new Map<Site, Namespace>();

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
    this.#net = new Network({
      namespace: (name) => NAMESPACE_PREFIX + name,
      interface: () => {
        throw new Error('the demo names its interfaces itself');
      },
    });
  }

  async run(): Promise<void> {
    await removeDemoNamespaces();
    await this.#makeNetwork();
    await this.#writeConfigs();
    await this.#up();
    await this.#traffic();
    for (const site of SITES) {
      this.#narrator.block(await beam(null, ['status', this.#configPath(site)]));
    }
    await this.#down();
  }

  async #makeNetwork(): Promise<void> {
    for (const site of SITES) this.#namespaces.set(site, await this.#net.namespace(site.name));
    const end = (site: Site) => ({
      namespace: this.#at(site),
      device: 'wire0',
      addresses: [`${site.outer}/24`],
    });
    await this.#net.link(end(OFFICE), end(LAPTOP));
    const [left, right] = SITES.map((site) => `${NAMESPACE_PREFIX}${site.name} ${site.outer}`);
    this.#narrator.step('network', `${left} ───── veth ───── ${right}`);
  }

  async #writeConfigs(): Promise<void> {
    const keys = new Map<Site, { privateKey: string; publicKey: string }>();
    for (const site of SITES) {
      const privateKey = (await beam(null, ['genkey'])).trim();
      const publicKey = (await beam(null, ['pubkey'], `${privateKey}\n`)).trim();
      keys.set(site, { privateKey, publicKey });
    }
    const presharedKey = (await beam(null, ['genpsk'])).trim();
    this.#narrator.step(
      'keys',
      ...SITES.map(({ name }, i) => `${name} ${keys.get(SITES[i]!)!.publicKey}`),
    );
    for (const [site, other] of [
      [OFFICE, LAPTOP],
      [LAPTOP, OFFICE],
    ] as const) {
      const lines = [
        '[Interface]',
        `PrivateKey = ${keys.get(site)!.privateKey}`,
        `Address = ${site.inner[0]}/24, ${site.inner[1]}/64`,
        ...(site === OFFICE ? [`ListenPort = ${OFFICE_PORT}`] : []),
        '',
        '[Peer]',
        `#: Name = ${other.name}`,
        `PublicKey = ${keys.get(other)!.publicKey}`,
        `PresharedKey = ${presharedKey}`,
        `AllowedIPs = ${other.inner[0]}/32, ${other.inner[1]}/128`,
        ...(site === LAPTOP ? [`Endpoint = ${OFFICE.outer}:${OFFICE_PORT}`] : []),
      ];
      writeFileSync(this.#configPath(site), `${lines.join('\n')}\n`, { mode: 0o600 });
    }
    this.#narrator.step('config', ...SITES.map((site) => this.#configPath(site)));
  }

  async #up(): Promise<void> {
    const lines: string[] = [];
    for (const site of SITES) {
      const startMs = performance.now();
      await beam(this.#at(site), ['up', this.#configPath(site)]);
      lines.push(`${site.name} is up after ${((performance.now() - startMs) / 1000).toFixed(2)} s`);
    }
    this.#narrator.step('beam up', ...lines);
  }

  async #traffic(): Promise<void> {
    const laptop = this.#at(LAPTOP);
    const first = await ping(laptop, OFFICE.inner[0], { count: 1, waitMs: 5_000 });
    if (first.received !== 1) throw new Error('the first ping got no answer within 5 s');
    this.#narrator.step('handshake', `done with the first ping, in ${first.timesMs[0]} ms`);
    for (const address of OFFICE.inner) {
      const { sent, received, timesMs } = await ping(laptop, address, {
        count: 20,
        intervalMs: 20,
      });
      if (received < sent)
        throw new Error(`${sent - received} of ${sent} pings to ${address} lost`);
      const averageMs = timesMs.reduce((sum, time) => sum + time, 0) / received;
      this.#narrator.step(
        'ping',
        `${address}: ${received} of ${sent} answered, ${averageMs.toFixed(2)} ms`,
      );
    }
    const to = { namespace: this.#at(OFFICE), address: OFFICE.inner[0] };
    const { seconds } = await transfer(laptop, to, { bytes: FILE_BYTES });
    const rate = formatRate((FILE_BYTES * 8) / seconds);
    this.#narrator.step(
      'file',
      `${formatBytes(FILE_BYTES)} laptop to office in ${seconds.toFixed(2)} s (${rate}), SHA-256 equal`,
    );
    if ((await runToEnd(['sh', '-c', 'command -v iperf3'])).status !== 0) {
      this.#narrator.step('iperf3', 'not installed, left out');
      return;
    }
    const { bitsPerS } = await iperf(laptop, to, { seconds: IPERF_S });
    this.#narrator.step('iperf3', `${formatRate(bitsPerS)} for ${IPERF_S} s, one TCP stream`);
  }

  async #down(): Promise<void> {
    for (const site of SITES) await beam(this.#at(site), ['down', this.#configPath(site)]);
    const left: string[] = [];
    for (const site of SITES) {
      const link = await this.#at(site).try('ip', 'link', 'show', site.tunnel);
      if (link.status === 0) left.push(`interface ${site.tunnel}`);
    }
    if (left.length > 0) throw new Error(`beam down left behind: ${left.join(', ')}`);
    this.#narrator.step('beam down', 'both agents have ended and taken their interfaces along');
  }

  /** Removes what the demo made, however far it came; gives what is still there after that. */
  async clear(): Promise<readonly string[]> {
    for (const site of SITES) {
      const namespace = this.#namespaces.get(site);
      if (namespace !== undefined && existsSync(`/run/beam/${site.tunnel}.sock`)) {
        await beam(namespace, ['down', this.#configPath(site)]).catch(() => '');
      }
    }
    await this.#net.close();
    rmSync(this.#folder, { recursive: true, force: true });
    return leftBehind();
  }

  #at(site: Site): Namespace {
    return this.#namespaces.get(site)!;
  }

  #configPath(site: Site): string {
    return join(this.#folder, `${site.tunnel}.conf`);
  }
}

async function demoNamespaces(): Promise<string[]> {
  const { stdout } = await runToEnd(['ip', 'netns', 'list']);
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0]!)
    .filter((name) => name.startsWith(NAMESPACE_PREFIX));
}

/** Of a demo that was killed. */
async function removeDemoNamespaces(): Promise<void> {
  for (const name of await demoNamespaces()) await destroyNamespace(name);
}

const SOCKET_FOLDERS = ['/run/beam', '/var/run/wireguard'];

/** Namespaces, processes and files of the demo that should not be there any more. */
async function leftBehind(): Promise<string[]> {
  const found = (await demoNamespaces()).map((name) => `namespace ${name}`);
  const { stdout } = await runToEnd(['ps', '-eo', 'pid=,args=']);
  for (const line of stdout.split('\n')) {
    if (SITES.some(({ tunnel }) => line.includes(tunnel))) found.push(`process ${line.trim()}`);
  }
  for (const folder of SOCKET_FOLDERS.filter((folder) => existsSync(folder))) {
    for (const file of readdirSync(folder)) {
      if (SITES.some(({ tunnel }) => file.startsWith(tunnel))) found.push(`${folder}/${file}`);
    }
  }
  return found;
}
