// The order of an up, a down and a reload, and what is taken back when a part of them fails.
// SPEC.md 8.1 and 8.8.
import test, { type ExecutionContext } from 'ava';
import { bringUp } from '../../../src/agent/lifecycle/bringUp.js';
import type { RunningTunnel } from '../../../src/agent/lifecycle/runningTunnel.js';
import { toBase64 } from '../../../src/base/bytes.js';
import { parseAddress } from '../../../src/base/ip.js';
import { wallTime } from '../../../src/base/time.js';
import { Recorder, SESSION, config } from './tunnelFakes.js';

const key = (byte: number): string => toBase64(new Uint8Array(32).fill(byte));
/** Its base64 begins with a B. */
const BOB = key(4);
/** Its base64 begins with a C. */
const CAROL = key(8);

const HOOKS = 'PreUp = a\nPostUp = b\nPreDown = c\nPostDown = d';
const text = (
  more = '',
  peers = `[Peer]\nPublicKey = ${BOB}\nEndpoint = 192.0.2.9:51820\nAllowedIPs = 10.1.0.0/16`,
): string =>
  `[Interface]\nPrivateKey = ${key(1)}\nAddress = 10.0.0.1/24\nMTU = 1400\n${more}\n${peers}\n`;

const calm = { session: null, force: false } as const;

function up(
  recorder: Recorder,
  configText: string,
  caller: Parameters<typeof bringUp>[1] | object = {},
): Promise<RunningTunnel> {
  const wanted = config(configText);
  const request = {
    ...calm,
    interfaceName: 'wg0',
    privateKey: wanted.interface.privateKey,
    ...caller,
  };
  return bringUp(wanted, request, recorder.ports);
}

const reload = (
  tunnel: RunningTunnel,
  configText: string,
  caller: object = {},
): Promise<string[]> =>
  tunnel.reload({ ...calm, wanted: config(configText), keyFromFile: null, ...caller });

const down = (tunnel: RunningTunnel, more: object = {}) =>
  tunnel.down({ ...calm, interfaceGone: false, ...more });

async function code(t: ExecutionContext, work: Promise<unknown>): Promise<string> {
  const error = (await t.throwsAsync(work)) as { code?: string };
  return error.code ?? 'none';
}

const UP = [
  'recordPostDown d',
  'PreUp a',
  'open wg0',
  'attach',
  'device key B+@192.0.2.9',
  'do add ip link set mtu 1400 dev wg0',
  'do add ip -4 address add 10.0.0.1/24 dev wg0',
  'do add ip link set up dev wg0',
  'do add ip -4 route add 10.1.0.0/16 dev wg0',
  'PostUp b',
];
const DOWN = [
  'PreDown c',
  'besideInterface',
  'close',
  'onInterface',
  'PostDown d',
  'recordPostDown none',
  'finish',
];

test('up and down have their order', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(HOOKS));
  t.deepEqual(recorder.take(), UP);
  t.deepEqual(await down(tunnel), []);
  t.deepEqual(recorder.take(), DOWN);
  t.deepEqual(await down(tunnel), [], 'a second one does nothing');
  t.deepEqual(recorder.take(), []);
});

for (const failing of UP.slice(1))
  test(`an up that fails at "${failing}" leaves nothing behind`, async (t) => {
    const recorder = new Recorder();
    recorder.failAt = failing;
    t.is(await code(t, up(recorder, text(HOOKS))), 'E_NETWORK');
    const lines = recorder.take();
    const after = lines.slice(lines.indexOf(failing) + 1);
    const opened = UP.indexOf(failing) > UP.indexOf('open wg0');
    t.deepEqual(after, [
      ...(failing === 'PostUp b' ? ['PreDown c'] : []),
      'besideInterface',
      ...(opened ? ['close'] : []),
      'onInterface',
      'PostDown d',
      'finish',
    ]);
  });

for (const [when, after] of [
  ['PreUp a', ['besideInterface', 'onInterface', 'PostDown d', 'finish']],
  ['attach', ['besideInterface', 'close', 'onInterface', 'PostDown d', 'finish']],
  ['PostUp b', ['PreDown c', 'besideInterface', 'close', 'onInterface', 'PostDown d', 'finish']],
] as const)
  test(`an up that is interrupted at "${when}" leaves nothing behind`, async (t) => {
    const recorder = new Recorder();
    const abort = new AbortController();
    recorder.onLine = (line) => {
      if (line === when) abort.abort();
    };
    t.is(await code(t, up(recorder, text(HOOKS), { abort: abort.signal })), 'E_INTERRUPTED');
    t.deepEqual(recorder.take().slice(-after.length), after);
  });

test('the state file stays where something could not be taken back', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(HOOKS));
  recorder.failAt = 'besideInterface';
  recorder.take();
  t.is((await down(tunnel)).length, 1);
  t.deepEqual(recorder.take(), DOWN.slice(0, -1));
});

test('a failing down hook is reported and the down goes on', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(HOOKS));
  recorder.failAt = 'PreDown c';
  recorder.take();
  t.is((await down(tunnel)).length, 1);
  t.deepEqual(recorder.take(), DOWN);
});

test('SaveConfig saves after PreDown, while all is still there', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(`${HOOKS}\nSaveConfig = true`));
  recorder.take();
  await down(tunnel);
  t.deepEqual(recorder.take().slice(0, 3), ['PreDown c', 'save', 'besideInterface']);
});

test('an interface that somebody deleted has no PreDown and is not saved', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(`${HOOKS}\nSaveConfig = true`));
  recorder.take();
  await down(tunnel, { interfaceGone: true });
  t.deepEqual(recorder.take(), DOWN.slice(1));
});

test('an up that would cut off its session ends before the interface is made', async (t) => {
  const recorder = new Recorder();
  recorder.verdict = { kind: 'cut', by: 'x' };
  t.is(await code(t, up(recorder, text(), { session: SESSION })), 'E_LOCKOUT');
  t.false(recorder.take().includes('open wg0'));
  await t.notThrowsAsync(
    up(recorder, text(), { session: null }),
    'without a session there is none to cut',
  );
});

test('forced, it warns and goes on', async (t) => {
  const recorder = new Recorder();
  recorder.verdict = { kind: 'cut', by: 'x' };
  recorder.devices = ['eth0', 'wg0'];
  await up(recorder, text(), { session: SESSION, force: true });
  t.regex(recorder.warnings.join(), /203\.0\.113\.7 will be cut off/);
});

test('a session that moved although it was judged safe takes the up back', async (t) => {
  const recorder = new Recorder();
  recorder.devices = ['eth0', 'wg0'];
  t.is(await code(t, up(recorder, text(), { session: SESSION })), 'E_LOCKOUT');
  t.deepEqual(recorder.take().slice(-4), ['besideInterface', 'close', 'onInterface', 'finish']);
  recorder.devices = ['eth0', 'eth1'];
  await t.notThrowsAsync(
    up(recorder, text(), { session: SESSION }),
    'between other interfaces it may move',
  );
});

test("others' sessions are warned of only", async (t) => {
  const recorder = new Recorder();
  recorder.others = ['198.51.100.1', '198.51.100.2'];
  await up(recorder, text());
  t.regex(recorder.warnings.join(), /198\.51\.100\.1, 198\.51\.100\.2/);
});

test('a down that would cut off its session does nothing', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text(HOOKS));
  recorder.take();
  recorder.verdict = { kind: 'cut', by: 'x' };
  t.is(await code(t, down(tunnel, { session: SESSION })), 'E_LOCKOUT');
  t.deepEqual(recorder.take(), []);
  await down(tunnel, { session: SESSION, force: true });
  t.deepEqual(recorder.take(), DOWN);
});

const WANTED = text(
  'Address = 10.8.0.1/24',
  `[Peer]\nPublicKey = ${BOB}\nEndpoint = 192.0.2.9:51820\nAllowedIPs = 10.2.0.0/16\n[Peer]\nPublicKey = ${CAROL}\nAllowedIPs = 10.3.0.0/16`,
);
const RELOAD = [
  'device B+ C+',
  'do add ip -4 address add 10.8.0.1/24 dev wg0',
  'do add ip -4 route add 10.2.0.0/16 dev wg0',
  'do remove ip -4 route delete 10.1.0.0/16 dev wg0',
  'recordPostDown ',
  'recordPostDown ',
  'device B-',
];

test('a reload widens the device and the system before it narrows them', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text());
  recorder.take();
  t.is((await reload(tunnel, WANTED)).length, 3);
  t.deepEqual(recorder.take(), RELOAD);
});

for (const failing of RELOAD.filter((line) => !line.startsWith('recordPostDown')))
  test(`a reload that fails at "${failing}" is taken back and the old configuration counts`, async (t) => {
    const recorder = new Recorder();
    const tunnel = await up(recorder, text());
    recorder.take();
    recorder.failAt = failing;
    t.is(await code(t, reload(tunnel, WANTED)), 'E_NETWORK');
    const lines = recorder.take();
    const undone = lines.slice(lines.indexOf(failing) + 1);
    t.is(
      undone.some((line) => line.startsWith('device')),
      failing !== RELOAD[0],
    );
    recorder.failAt = null;
    t.is((await reload(tunnel, WANTED)).length, 3, 'the same difference is still there');
  });

test('a reload that would cut off its session changes nothing', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text());
  recorder.take();
  recorder.verdict = { kind: 'cut', by: 'x' };
  t.is(await code(t, reload(tunnel, WANTED, { session: SESSION })), 'E_LOCKOUT');
  t.deepEqual(recorder.take(), []);
});

test('the mark of a full tunnel is set and taken away with it', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text());
  const full = text(
    '',
    `[Peer]\nPublicKey = ${BOB}\nEndpoint = 192.0.2.9:51820\nAllowedIPs = 0.0.0.0/0, 10.1.0.0/16`,
  );
  recorder.take();
  await reload(tunnel, full);
  t.is(recorder.take()[0], 'device fwmark=51820 B+');
  await reload(tunnel, text());
  const lines = recorder.take();
  t.is(lines[0], 'device fwmark=0');
  t.is(lines.at(-1), 'device B-');
});

test('what is asked for while something is done waits for its end', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, text());
  const [first, second, third] = await Promise.allSettled([
    reload(tunnel, WANTED),
    down(tunnel),
    reload(tunnel, WANTED),
  ]);
  t.is(first.status, 'fulfilled');
  t.is(second.status, 'fulfilled');
  t.is(third.status === 'rejected' ? (third.reason as { code: string }).code : '', 'E_TUNNEL_DOWN');
});

const NAMED = text(
  '',
  `[Peer]\nPublicKey = ${BOB}\nEndpoint = vpn.example:51820\nAllowedIPs = 10.1.0.0/16`,
);

test('a name is looked up before the device is configured', async (t) => {
  const recorder = new Recorder();
  recorder.addresses.set('vpn.example', [parseAddress('192.0.2.77')!]);
  await up(recorder, NAMED);
  t.true(recorder.take().includes('device key B+@192.0.2.77'));
});

test('a name without an answer keeps no tunnel down and is set when it comes', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, NAMED);
  t.true(recorder.take().includes('device key B+'));
  recorder.addresses.set('vpn.example', [parseAddress('192.0.2.77')!]);
  recorder.time.advanceTo(recorder.time.nowMs + 1_000);
  await settle();
  recorder.time.advanceTo(recorder.time.nowMs + 1_500);
  await settle();
  t.true(recorder.take().includes('device B@192.0.2.77'));
  await down(tunnel);
});

test('after an endpoint was set the computed MTU is computed again', async (t) => {
  const recorder = new Recorder();
  const tunnel = await up(recorder, NAMED.replace('MTU = 1400\n', ''));
  recorder.take();
  recorder.facts = { ...recorder.facts, pathMtu: 1400 };
  recorder.addresses.set('vpn.example', [parseAddress('192.0.2.77')!]);
  for (let i = 0; i < 3; i++) {
    recorder.time.advanceTo(recorder.time.nowMs + 1_500);
    await settle();
  }
  t.deepEqual(recorder.take(), ['device B@192.0.2.77', 'do replace ip link set mtu 1320 dev wg0']);
  await down(tunnel);
});

test('a new name in a reload is looked up first and set with the rest', async (t) => {
  const recorder = new Recorder();
  recorder.addresses.set('vpn.example', [parseAddress('192.0.2.77')!]);
  recorder.addresses.set('other.example', [parseAddress('192.0.2.88')!]);
  const tunnel = await up(recorder, NAMED);
  recorder.liveness.set(BOB, {
    endpoint: null,
    lastHandshakeAt: wallTime(1),
    handshakePending: false,
  });
  recorder.take();
  await reload(tunnel, NAMED.replace('vpn.example', 'other.example'));
  t.is(recorder.take()[0], 'device B@192.0.2.88');
  await down(tunnel);
});

/** Lets promises that are ready go on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};
