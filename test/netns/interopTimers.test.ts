// What a tunnel sends of its own accord, and when: keepalives and handshakes.
import { Capture, messageType } from '../support/netnsCapture.js';
import type { CapturedDatagram } from '../support/netnsCapture.js';
import { namespaceTest } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import {
  INNER,
  OUTER,
  PORT_OF_B,
  WIRE_DEVICE,
  tunnelPair,
  twoEnds,
} from '../support/netnsTopology.js';
import { ping, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT } from '../support/netnsTunnel.js';

const PAIR = { a: SUBJECT, b: SUBJECT } as const;

namespaceTest('persistent keepalives come on time, are not answered, and stop', async (t, net) => {
  const ends = await twoEnds(net);
  const { a, b } = await tunnelPair(net, ends, PAIR);
  const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
  await a.set('peer', b.keys.publicKey, 'persistent-keepalive', '1');
  await waitFor('it shakes hands without any traffic', async () => {
    return (await a.peer(b.keys.publicKey)).latestHandshakeS > 0;
  });
  await pause(5_200);
  await a.set('peer', b.keys.publicKey, 'persistent-keepalive', 'off');
  await pause(200);
  const isKeepalive = (datagram: CapturedDatagram): boolean =>
    messageType(datagram) === 4 && datagram.payload.length === 32;
  const fromA = ({ source }: CapturedDatagram): boolean => source === OUTER.a[4];
  const keepalives = capture.datagrams().filter(isKeepalive);
  const sent = keepalives.filter(fromA);
  t.true(sent.length >= 5 && sent.length <= 7, `${sent.length} in 5.2 s`);
  const gaps = sent.slice(1).map(({ timeS }, i) => timeS - sent[i]!.timeS);
  for (const gap of gaps.slice(1)) t.true(gap > 0.9 && gap < 1.4, `a gap of ${gap} s`);
  t.is(keepalives.length, sent.length, 'b sends none');
  const total = capture.datagrams().length;
  await pause(2_500);
  t.is((await capture.stop()).length, total, 'none after it was switched off');
});

namespaceTest(
  'data that gets no answer is answered by one empty packet after 10 s',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await pause(300);
    // b's system stays silent, so that only the tunnel itself can answer.
    await ends.b.rule('input', `ip daddr ${INNER.b[4]} drop`);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await ping(ends.a, INNER.b[4], { count: 1, waitMs: 100 });
    await pause(11_500);
    const [first, ...others] = await capture.stop();
    const answers = others.filter(({ source }) => source === OUTER.b[4]);
    t.is(answers.length, 1);
    t.is(others.length, 1, 'the empty packet is not answered in turn');
    t.is(answers[0]?.payload.length, 32);
    const delayS = answers[0]!.timeS - first!.timeS;
    t.true(delayS > 9.5 && delayS < 11.2, `after ${delayS} s`);
  },
);

namespaceTest(
  'unanswered data leads to a new handshake after 15 s',
  async (t, net) => {
    const ends = await twoEnds(net);
    await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    await ends.b.rule('input', `udp dport ${PORT_OF_B} drop`);
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE);
    await ping(ends.a, INNER.b[4], { count: 1, waitMs: 100 });
    await pause(16_500);
    const datagrams = await capture.stop();
    const initiation = datagrams.find((datagram) => messageType(datagram) === 1);
    const delayS = (initiation?.timeS ?? 0) - datagrams[0]!.timeS;
    t.true(delayS > 14.5 && delayS < 16.2, `after ${delayS} s`);
  },
  { long: 'waits 17 s' },
);

namespaceTest(
  'a busy tunnel gets new keys after 120 s and loses nothing',
  async (t, net) => {
    const ends = await twoEnds(net);
    const { a, b } = await tunnelPair(net, ends, PAIR);
    await waitForPing(ends.a, INNER.b[4]);
    const firstS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    const capture = await Capture.start(net, ends.a, WIRE_DEVICE, 'udp[8] = 1 or udp[8] = 2');
    const command = ['ping', '-n', '-q', '-i', '0.05', '-w', '190', INNER.b[4]];
    const pings = await ends.a.runWith({ timeoutMs: 200_000 }, ...command);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(pings)!;
    t.true(Number(sent) - Number(received) <= 1, pings);
    const secondS = (await a.peer(b.keys.publicKey)).latestHandshakeS;
    t.true(secondS - firstS >= 119 && secondS - firstS <= 123, `${secondS - firstS} s`);
    const types = (await capture.stop()).map(messageType);
    t.deepEqual(types, [1, 2], 'one handshake, by the initiator alone');
  },
  { long: 'takes 190 s', timeoutMs: 260_000 },
);
