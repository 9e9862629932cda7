// What `beam up --dry-run` says, and that it says it without doing anything.
import test from 'ava';
import { dryRun } from '../../../src/agent/lifecycle/dryRun.js';
import { Recorder, SESSION, config } from './tunnelFakes.js';

const KEY = Buffer.alloc(32, 4).toString('base64');
const FULL = `[Interface]
PrivateKey = ${KEY}
Address = 10.0.0.1/24
PreUp = echo ${KEY}
PostUp = one
PostUp = two
[Peer]
PublicKey = ${KEY}
AllowedIPs = 0.0.0.0/0
`;

test('a dry run lists hooks by their place, the device, and every step, and touches nothing', async (t) => {
  const recorder = new Recorder();
  const request = { interfaceName: 'wg0', session: null };
  const { lines, warnings, lockout } = await dryRun(config(FULL), request, recorder.ports);
  t.deepEqual(
    lines.filter((line) => !line.startsWith(' ')),
    [
      'PreUp 1 of 1',
      'ip link add wg0 (by the agent; peers: 1, mark 51820)',
      'ip link set mtu 1420 dev wg0',
      'ip -4 address add 10.0.0.1/24 dev wg0',
      'ip link set up dev wg0',
      'sysctl -q net.ipv4.conf.all.src_valid_mark=1',
      'nft -f -:',
      'ip -4 route add 0.0.0.0/0 dev wg0 table 51820',
      'ip -4 rule add priority 32764 table main suppress_prefixlength 0',
      'ip -4 rule add priority 32765 not fwmark 51820 table 51820',
      'PostUp 1 of 2',
      'PostUp 2 of 2',
    ],
  );
  t.deepEqual([warnings, lockout, recorder.take()], [[], null, []]);
  t.false(lines.join('\n').includes(KEY));
});

test("a dry run says whether the caller's session would be cut off", async (t) => {
  const recorder = new Recorder();
  recorder.verdict = { kind: 'cut', by: '0.0.0.0/0 leads into wg0' };
  const { lockout } = await dryRun(
    config(FULL),
    { interfaceName: 'wg0', session: SESSION },
    recorder.ports,
  );
  t.is(lockout, '0.0.0.0/0 leads into wg0');
});
