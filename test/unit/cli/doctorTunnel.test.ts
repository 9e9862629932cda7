// The questions of `beam doctor` about a running tunnel, from made-up answers of its daemon.
// SPEC.md 9.5.
import test from 'ava';
import {
  isInDoubt,
  judgeDaemon,
  judgeDrops,
  judgeHandshake,
  judgeReceive,
  type PeerFacts,
} from '../../../src/cli/doctor/tunnelChecks.js';
import type { PeerStatus, TunnelStatus } from '../../../src/ports/control.js';
import { DROP_REASONS, type DropReason } from '../../../src/ports/dataPlane.js';

const NOW_MS = Date.UTC(2026, 10, 24);
const agoMs = (seconds: number): number => NOW_MS - seconds * 1000;

const PEER: PeerStatus = {
  name: 'bob',
  publicKey: 'RA/Cv4Fqxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=',
  hasPresharedKey: false,
  endpoint: '192.0.2.2:51820',
  endpointName: null,
  allowedIps: ['10.0.0.2/32'],
  latestHandshakeAt: null,
  receivedBytes: 0,
  sentBytes: 0,
  persistentKeepaliveS: 0,
  suite: null,
};

const NO_DROPS = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
  DropReason,
  number
>;

const STATUS: TunnelStatus = {
  interface: 'beam0',
  pid: 7,
  version: '0.1.0',
  startedAt: NOW_MS,
  up: true,
  mtu: 1420,
  engine: 'native',
  features: {},
  publicKey: null,
  listenPort: 51820,
  fwmark: 0,
  configFile: null,
  peers: [PEER],
  drops: NO_DROPS,
  sendErrors: {},
  handshakeRefusals: {},
  residentBytes: 1,
  warnings: [],
};

test('daemon: warns where none runs, fails where a socket has nobody behind it', (t) => {
  t.is(judgeDaemon('beam0', { kind: 'none' }).level, 'warn');
  t.is(judgeDaemon('beam0', { kind: 'silent', found: 'nothing for 5 s' }).level, 'fail');
  const report = { source: 'beam', ...STATUS } as const;
  const here = judgeDaemon('beam0', { kind: 'answers', report, elsewhere: false });
  t.is(here.level, 'ok');
  t.regex(here.finding, /pid 7 .*native/);
});

test('daemon: one in another network namespace warns of what cannot be seen', (t) => {
  const report = { source: 'beam', ...STATUS } as const;
  const check = judgeDaemon('beam0', { kind: 'answers', report, elsewhere: true });
  t.is(check.level, 'warn');
  t.regex(check.remedy!, /nsenter -t 7 -n/);
});

test('daemon: a WireGuard of another kind is fine', (t) => {
  const { interface: name, publicKey, listenPort, fwmark, peers } = STATUS;
  const report = { source: 'uapi', interface: name, publicKey, listenPort, fwmark, peers } as const;
  t.is(judgeDaemon('beam0', { kind: 'answers', report, elsewhere: false }).level, 'ok');
});

interface Situation extends Partial<PeerStatus> {
  readonly later?: Partial<PeerStatus>;
  readonly status?: Partial<TunnelStatus>;
}

function about({ later, status, ...peer }: Situation): PeerFacts {
  const before = { ...PEER, ...peer };
  return {
    peer: before,
    later: later === undefined ? null : { ...before, ...later },
    nowMs: NOW_MS,
    circumstances: { ...STATUS, ...status },
  };
}

const handshake = (situation: Situation): ReturnType<typeof judgeHandshake> =>
  judgeHandshake('beam0', about(situation));

test('handshake: fresh up to 180 s, whatever else is counted', (t) => {
  t.is(handshake({ latestHandshakeAt: agoMs(180), persistentKeepaliveS: 25 }).level, 'ok');
  t.is(handshake({ latestHandshakeAt: agoMs(181), persistentKeepaliveS: 25 }).level, 'warn');
  t.is(handshake({ latestHandshakeAt: agoMs(0), sentBytes: 1 }).level, 'ok');
});

test('handshake: one that a second look finds is fresh', (t) => {
  const later = { latestHandshakeAt: agoMs(1), sentBytes: 900 };
  t.is(handshake({ latestHandshakeAt: agoMs(600), sentBytes: 500, later }).level, 'ok');
});

test('handshake: a peer with nothing to send, or that has to call first, is fine', (t) => {
  t.is(handshake({}).level, 'ok');
  t.is(handshake({ latestHandshakeAt: agoMs(3600), sentBytes: 500, later: {} }).level, 'ok');
  t.is(handshake({ endpoint: null, persistentKeepaliveS: 25 }).level, 'ok');
});

test('handshake: warns where something is sent and nobody answers', (t) => {
  t.is(handshake({ sentBytes: 148 }).level, 'warn');
  t.is(handshake({ persistentKeepaliveS: 25 }).level, 'warn');
  const growing = { latestHandshakeAt: agoMs(600), sentBytes: 500, later: { sentBytes: 648 } };
  t.is(handshake(growing).level, 'warn');
});

test('handshake: one in the future means that the clock was set back', (t) => {
  const check = handshake({ latestHandshakeAt: agoMs(-3600) });
  t.is(check.level, 'warn');
  t.regex(check.finding, /clock/);
  t.is(handshake({ latestHandshakeAt: agoMs(-1) }).level, 'ok');
});

test('handshake: the likely reason is told by what was counted', (t) => {
  const reason = (status: Partial<TunnelStatus>, peer: Situation = { sentBytes: 148 }): string =>
    handshake({ ...peer, status }).finding;
  t.regex(reason({ up: false }), /link is down/);
  t.regex(reason({ handshakeRefusals: { noIdentity: 1 } }), /no private key/);
  t.regex(reason({ handshakeRefusals: { unknownPeer: 1 } }), /another key/);
  t.regex(reason({ handshakeRefusals: { wrongMac1: 1 } }), /another key/);
  t.regex(reason({ handshakeRefusals: { forgedResponse: 1 } }), /not authentic/);
  t.regex(reason({ handshakeRefusals: { replayedInitiation: 1 } }), /set back/);
  t.regex(reason({ handshakeRefusals: { malformed: 9 } }), /nothing ever came from 192\.0\.2\.2/);
  t.regex(reason({}, { sentBytes: 148, receivedBytes: 92 }), /nothing comes .* any more/);
});

test('handshake: errors of sending are held against a peer only where they must be its own', (t) => {
  const status = { sendErrors: { ENETUNREACH: 3, EPERM: 0 } };
  t.regex(handshake({ status }).finding, /ENETUNREACH/);
  const several = { ...status, peers: [PEER, PEER] };
  t.is(handshake({ status: several }).level, 'ok');
  t.regex(handshake({ status: several, persistentKeepaliveS: 25 }).finding, /ENETUNREACH/);
  t.notRegex(handshake({ status, sentBytes: 148 }).finding, /ENETUNREACH/);
});

test('a second look is taken at stale peers that may be talked to, at no others', (t) => {
  const doubt = (peer: Partial<PeerStatus>): boolean => isInDoubt({ ...PEER, ...peer }, NOW_MS);
  t.true(doubt({ latestHandshakeAt: agoMs(600) }));
  t.false(doubt({ latestHandshakeAt: agoMs(60) }));
  t.false(doubt({ latestHandshakeAt: null }));
  t.false(doubt({ latestHandshakeAt: agoMs(600), endpoint: null }));
  t.false(doubt({ latestHandshakeAt: agoMs(600), persistentKeepaliveS: 25 }));
});

test('receive: warns where something was sent and nothing ever came', (t) => {
  const level = (peer: Situation): string => judgeReceive('beam0', about(peer)).level;
  t.is(level({}), 'ok');
  t.is(level({ sentBytes: 148 }), 'warn');
  t.is(level({ sentBytes: 148, receivedBytes: 92 }), 'ok');
  t.is(level({ sentBytes: 148, later: { receivedBytes: 92 } }), 'ok');
});

test('a peer without a name is shown by the beginning of its key', (t) => {
  const check = judgeReceive('beam0', about({ name: null }));
  t.is(check.subject, 'beam0 RA/Cv4Fq…');
});

test('drops: small numbers are normal, large ones are explained one by one', (t) => {
  const judge = (drops: Partial<Record<DropReason, number>>): string[] =>
    judgeDrops('beam0', { drops: { ...NO_DROPS, ...drops }, sendErrors: {} }).map(
      ({ level, finding }) => `${level} ${finding}`,
    );
  t.deepEqual(judge({}), ['ok dropped nothing']);
  t.deepEqual(judge({ noPeer: 1 }), ['ok dropped 1 packet, as is normal']);
  t.deepEqual(judge({ noPeer: 999, wrongSource: 9 }), ['ok dropped 1008 packets, as is normal']);
  t.is(judge({ noPeer: 1000, wrongSource: 10 }).length, 2);
  for (const reason of DROP_REASONS) t.regex(judge({ [reason]: 1000 })[0]!, /^warn .*1000/, reason);
});

test('drops: datagrams that could not be sent come with their errors', (t) => {
  const [check] = judgeDrops('beam0', {
    drops: { ...NO_DROPS, sendFailed: 10 },
    sendErrors: { ENETUNREACH: 10, EPERM: 0 },
  });
  t.regex(check!.finding, /: ENETUNREACH 10$/);
});

test('drops: a counter that this version does not know is left alone', (t) => {
  const drops = { ...NO_DROPS, ofTheFuture: 5_000 };
  t.is(judgeDrops('beam0', { drops, sendErrors: {} })[0]!.level, 'ok');
});
