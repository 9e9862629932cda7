// The session that a tunnel is brought up from: cut off for real without the check, kept by it.
// SPEC.md 8.7.
import { decideRoute, outgoingPacket } from '../../src/platform/network/routeDecision.js';
import {
  parseRoutes,
  parseRules,
  type Json,
  type Route,
} from '../../src/platform/network/ipJson.js';
import { LifecycleProcess, picture } from '../support/lifecycle.js';
import { namespaceTest, type Namespace, type Network } from '../support/netns.js';
import { waitFor, type Background } from '../support/netnsProcess.js';
import { newKeyPair } from '../support/netnsTunnel.js';

const CLIENT = '203.0.113.7';
const SERVER = '192.0.2.1';
const PORT = 2222;

const config = (allowedIps: string, more = ''): string => `[Interface]
PrivateKey = ${newKeyPair().privateKey}
Address = 10.0.0.1/24
${more}
[Peer]
PublicKey = ${newKeyPair().publicKey}
AllowedIPs = ${allowedIps}
`;

const FULL = config('0.0.0.0/0');

const ECHO = `require('net').createServer(s => s.on('error', () => {}).pipe(s)).listen(${PORT}, '${SERVER}', () => console.log('listening'))`;
const TALK = `const s = require('net').connect({ host: '${SERVER}', port: ${PORT}, localAddress: '${CLIENT}' }, () => console.log('connected'));
s.on('error', () => {}); s.pipe(process.stdout); process.stdin.pipe(s);`;

/** A server and, behind its default route, a client with a TCP connection to it. */
class SshLike {
  readonly server: Namespace;
  readonly #client: Background;
  #said = 0;

  private constructor(server: Namespace, client: Background) {
    this.server = server;
    this.#client = client;
  }

  static async start(net: Network): Promise<SshLike> {
    const [server, client] = [await net.namespace('s'), await net.namespace('c')];
    await net.link(
      { namespace: server, device: 'lan', addresses: [`${SERVER}/24`] },
      { namespace: client, device: 'lan', addresses: ['192.0.2.254/24', `${CLIENT}/32`] },
    );
    await server.run('ip', 'route', 'add', 'default', 'via', '192.0.2.254');
    await server.run('ip', 'tuntap', 'add', 'mode', 'tun', 'name', 't0');
    const echo = server.spawn([process.execPath, '-e', ECHO]);
    await waitFor('the server listens', () => echo.stdout.includes('listening'));
    const talk = client.spawn([process.execPath, '-e', TALK]);
    await waitFor('the client is connected', () => talk.stdout.includes('connected'));
    return new SshLike(server, talk);
  }

  /** Whether a word comes back within a time that TCP repeats it several times in. */
  async answers(timeoutMs = 2_000): Promise<boolean> {
    const word = `word${this.#said++}.`;
    this.#client.child.stdin!.write(word);
    return waitFor('the word comes back', () => this.#client.stdout.includes(word), {
      timeoutMs,
    }).then(
      () => true,
      () => false,
    );
  }

  up(net: Network, text: string, force = false): LifecycleProcess {
    const env = { SSH_CONNECTION: `${CLIENT} 50022 ${SERVER} ${PORT}` };
    return LifecycleProcess.start(net, this.server, {
      interfaceName: 't0',
      config: text,
      env,
      force,
    });
  }
}

namespaceTest(
  'a full tunnel from a session beyond the default route is refused, and the session lives',
  async (t, net) => {
    const ssh = await SshLike.start(net);
    const before = await picture(ssh.server);
    const agent = ssh.up(net, FULL);
    const answer = await agent.next();
    t.is(answer.event === 'failed' ? answer.code : answer.event, 'E_LOCKOUT');
    t.is(await picture(ssh.server), before);
    t.true(await ssh.answers());
  },
);

namespaceTest(
  'forced, the session is really cut off, and it comes back with the down',
  async (t, net) => {
    const ssh = await SshLike.start(net);
    t.true(await ssh.answers());
    const agent = ssh.up(net, FULL, true);
    t.deepEqual(await agent.next(), { event: 'up' });
    t.regex(agent.warnings.join(), /203\.0\.113\.7 will be cut off/);
    t.false(await ssh.answers(3_000), 'an established connection is no protection');
    t.deepEqual(await agent.tell('down'), { event: 'done' });
    t.true(await ssh.answers(10_000));
  },
);

namespaceTest(
  'the remedy in the error lets the tunnel come up beside the session',
  async (t, net) => {
    const ssh = await SshLike.start(net);
    const before = await picture(ssh.server);
    const refused = await ssh.up(net, FULL).next();
    const lines = [
      ...(refused.event === 'failed' ? refused.message : '').matchAll(
        /"(Pre|Post)(Up|Down) = [^"]+"/g,
      ),
    ];
    t.is(lines.length, 2);
    const remedy = lines.map(([line]) => line.slice(1, -1)).join('\n');
    const agent = ssh.up(net, FULL.replace('\n\n[Peer]', `\n${remedy}\n\n[Peer]`));
    t.deepEqual(await agent.next(), { event: 'up' });
    t.true(await ssh.answers());
    t.regex(await ssh.server.run('ip', 'route', 'get', '198.51.100.1'), /dev t0/);
    await agent.tell('down');
    t.true(await ssh.answers());
    t.is(await picture(ssh.server), before);
  },
);

namespaceTest('allowed-IPs that hold the client are refused, others are not', async (t, net) => {
  const ssh = await SshLike.start(net);
  for (const allowedIps of ['203.0.113.0/24', '203.0.113.7/32', '0.0.0.0/1, 128.0.0.0/1']) {
    const answer = await ssh.up(net, config(allowedIps)).next();
    t.is(answer.event === 'failed' ? answer.code : answer.event, 'E_LOCKOUT', allowedIps);
  }
  const agent = ssh.up(net, config('198.51.100.0/24, 192.0.0.0/16'));
  t.deepEqual(await agent.next(), { event: 'up' });
  t.true(await ssh.answers());
});

namespaceTest(
  'a reload that would take the session is refused and changes nothing',
  async (t, net) => {
    const ssh = await SshLike.start(net);
    const agent = ssh.up(net, config('198.51.100.0/24'));
    await agent.next();
    const before = await picture(ssh.server);
    const answer = await agent.tell(`reload ${net.file('wanted.conf', FULL)}`);
    t.is(answer.event === 'failed' ? answer.code : answer.event, 'E_LOCKOUT');
    t.is(await picture(ssh.server), before);
    t.true(await ssh.answers());
  },
);

const RULES = [
  ['from', '10.0.0.0/8', 'table', '100'],
  ['from', '192.0.2.1', 'to', '203.0.113.0/24', 'table', '100'],
  ['not', 'from', '192.0.2.0/24', 'table', '101'],
  ['fwmark', '0x10/0xff', 'table', '101'],
  ['not', 'fwmark', '0x10', 'table', '102'],
  ['iif', 'lo', 'table', '102'],
  ['iif', 'lan', 'table', '103'],
  ['table', 'main', 'suppress_prefixlength', '0'],
  ['table', 'main', 'suppress_prefixlength', '16'],
  ['to', '203.0.113.7', 'table', '103'],
];
const ROUTES = [
  ['default', 'dev', 'd1', 'table', '100'],
  ['203.0.113.0/24', 'dev', 'd2', 'table', '100'],
  ['default', 'dev', 'd2', 'table', '101'],
  ['203.0.0.0/8', 'dev', 'd1', 'table', '102'],
  ['throw', '203.0.113.0/28', 'table', '102'],
  ['203.0.113.7', 'dev', 'd2', 'table', '103'],
  ['203.0.113.0/25', 'dev', 'd1', 'metric', '9'],
  ['203.0.112.0/20', 'dev', 'd2'],
  ['default', 'dev', 'd1', 'metric', '1'],
];

/** A generator for choices that can be repeated. */
function* choices(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

namespaceTest('on paper packets take the way that the kernel sends them', async (t, net) => {
  const m = await net.namespace('m');
  for (const device of ['lan', 'd1', 'd2']) {
    await m.run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', `${device}x`);
    for (const end of [device, `${device}x`]) await m.run('ip', 'link', 'set', end, 'up');
  }
  await m.addAddress('lan', `${SERVER}/24`);
  const seed = Date.now() % 100_000;
  const random = choices(seed);
  const pick = <T>(items: readonly T[]): T[] => items.filter(() => random.next().value < 0.4);
  const packet = outgoingPacket(SERVER, CLIENT)!;
  for (let round = 0; round < 25; round++) {
    const rules = pick(RULES);
    const routes = pick(ROUTES);
    const batch = [
      ...routes.map((r) => ['route', 'add', ...r]),
      ...rules.map((r) => ['rule', 'add', ...r]),
    ];
    const lines = (verb: string): string =>
      batch.map(([kind, , ...rest]) => [kind, verb, ...rest].join(' ')).join('\n');
    await m.runWith({ input: `${lines('add')}\n` }, 'ip', '-batch', '-');
    const json = async (...args: string[]): Promise<Json[]> => {
      const { stdout } = await m.try('ip', '-json', '-N', ...args);
      return stdout.trim() === '' ? [] : (JSON.parse(stdout.replace(/\]?\s*$/, ']')) as Json[]);
    };
    const parsed = parseRules(await json('rule', 'show'), 4);
    const all: Route[] = parseRoutes(await json('route', 'show', 'table', 'all'), {
      family: 4,
      table: '254',
      device: null,
    });
    const decision = decideRoute({ rules: parsed, routes: all }, packet);
    const { stdout } = await m.try('ip', 'route', 'get', CLIENT, 'from', SERVER);
    const kernel = /dev (\S+)/.exec(stdout)?.[1] ?? 'refused';
    const paper = decision.kind === 'leaves' ? decision.devices.join() : decision.kind;
    t.is(paper, kernel, `seed ${seed}, round ${round}: ${JSON.stringify({ rules, routes })}`);
    await m.runWith({ input: `${lines('delete')}\n` }, 'ip', '-batch', '-');
  }
});
