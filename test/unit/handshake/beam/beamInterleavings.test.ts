// Two Beam machines in every order in which the network can deliver (SPEC.md 11.13): crossing calls, one
// message lost, restarts in every state. Each order is run from the start, with the same seed.
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { equalConstantTime } from '../../../../src/base/bytes.js';
import type { BeamNode } from '../../../support/beamNetwork.js';
import { BeamNetwork } from '../../../support/beamNetwork.js';

interface Run {
  readonly network: BeamNetwork;
  readonly a: BeamNode;
  readonly b: BeamNode;
}

/** The newest sessions of both belong together, and no session of one is without the other's. */
function agree({ a, b }: Run): boolean {
  const [ours, theirs] = [a.sessions.at(-1), b.sessions.at(-1)];
  if (ours === undefined || theirs === undefined) return false;
  return (
    ours.role !== theirs.role &&
    equalConstantTime(ours.handshakeHash, theirs.handshakeHash) &&
    equalConstantTime(ours.sendKey, theirs.receiveKey) &&
    equalConstantTime(ours.receiveKey, theirs.sendKey)
  );
}

/**
 * Calls `check` for every order of deliveries, those that overtake others included. `start` makes the
 * run; a choice is which of the datagrams on the wire comes next. Returns how many orders there are.
 */
function everyOrder(start: () => Run, check: (run: Run, order: string) => void): number {
  let orders = 0;
  const visit = (prefix: readonly number[]): void => {
    const run = start();
    const { network } = run;
    for (const at of prefix) network.deliver(network.wire.splice(at, 1)[0]!);
    if (network.wire.length === 0) {
      orders++;
      check(run, prefix.join(''));
    }
    for (let at = 0; at < network.wire.length; at++) visit([...prefix, at]);
  };
  visit([]);
  return orders;
}

function crossing(seed: string, isPrompt = true): Run {
  const network = new BeamNetwork(seed);
  const run = { network, a: network.node(1), b: network.node(2) };
  run.a.isPrompt = run.b.isPrompt = isPrompt;
  run.a.call(run.b);
  run.b.call(run.a);
  return run;
}

test('of two calls that cross exactly one survives, in every order of delivery', (t) => {
  // Two seeds, so that either end has the smaller DID once.
  const smaller = new Set<string>();
  for (const seed of ['crossing 1', 'crossing 3']) {
    const orders = everyOrder(
      () => crossing(seed),
      (run, order) => {
        smaller.add(run.a.did < run.b.did ? 'a' : 'b');
        t.true(agree(run), `${seed}: ${order}`);
        t.deepEqual([run.a.sessions.length, run.b.sessions.length], [1, 1], order);
        t.deepEqual(run.a.machine.stats().calls + run.b.machine.stats().calls, 0, order);
      },
    );
    t.true(orders > 20, `${orders} orders`);
    t.log(`${seed}: ${orders} orders`);
  }
  t.is(smaller.size, 2, 'both ends have the smaller DID once');
});

test('calls that cross come about whichever one datagram is lost', (t) => {
  for (const seed of ['crossing 1', 'crossing 3']) {
    for (let lost = 0; lost < 8; lost++) {
      const run = crossing(seed);
      let sent = 0;
      const deliver = (): void => {
        while (run.network.wire.length > 0) {
          const datagram = run.network.take();
          if (sent++ !== lost) run.network.deliver(datagram);
        }
      };
      deliver();
      run.network.advance(40_000, deliver);
      t.true(agree(run), `${seed}: datagram ${lost} lost`);
    }
  }
});

test('calls that cross with slow signatures come about', (t) => {
  for (const seed of ['crossing 1', 'crossing 3']) {
    for (const pauses of [1, 2, 3, 5, 7]) {
      const run = crossing(seed, false);
      let round = 0;
      const both = [run.a, run.b];
      const work = (): void => {
        run.network.run();
        const node = both[round++ % (pauses + 1) === 0 ? 0 : 1]!;
        const request = node.requests.shift();
        if (request !== undefined) node.answer(request);
      };
      for (let i = 0; i < 60; i++) {
        run.network.advance(300, work);
        work();
      }
      t.true(agree(run), `${seed}, ${pauses}`);
    }
  }
});

/** A call that is made again whenever it is over, as the device does while packets wait. */
function insist(t: ExecutionContext, run: Run, what: string): void {
  const deliver = (): void => {
    run.network.run();
  };
  for (let i = 0; i < 30 && !agree(run); i++) {
    deliver();
    if (!agree(run) && run.a.machine.stats().calls === 0) run.a.call(run.b);
    run.network.advance(1000, deliver);
  }
  t.true(agree(run), what);
}

test('a restart of either end before any message is got over within 30 s', (t) => {
  for (const pathTakesWhole of [true, false]) {
    for (const who of ['a', 'b'] as const) {
      for (let before = 0; before < (pathTakesWhole ? 5 : 7); before++) {
        const network = new BeamNetwork('restart');
        const run = { network, a: network.node(1), b: network.node(2) };
        run.a.call(run.b, { pathTakesWhole });
        network.run(before);
        run[who].restart();
        run.a.sessions.length = run.b.sessions.length = 0;
        insist(t, run, `${who} before datagram ${before}`);
      }
    }
  }
});

test('a restart while a signature or an admission is waited for is got over', (t) => {
  for (const who of ['a', 'b'] as const) {
    for (let before = 0; before < 4; before++) {
      const network = new BeamNetwork('restart');
      const run = { network, a: network.node(1), b: network.node(2) };
      run.a.isPrompt = run.b.isPrompt = false;
      run.a.call(run.b);
      for (let i = 0; i < before; i++) {
        network.run();
        for (const node of [run.a, run.b]) {
          const request = node.requests.shift();
          if (request !== undefined) node.answer(request);
        }
      }
      network.run();
      const stale = [...run[who].requests];
      run[who].restart();
      run.a.sessions.length = run.b.sessions.length = 0;
      for (const request of stale) run[who].answer(request);
      t.deepEqual(run[who].sessions, [], 'answers for another life change nothing');
      run.a.isPrompt = run.b.isPrompt = true;
      for (const node of [run.a, run.b])
        for (const request of node.requests.splice(0)) node.answer(request);
      insist(t, run, `${who} after ${before} answers`);
    }
  }
});
