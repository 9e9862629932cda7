import test from 'ava';
import { Secret } from '../../../src/base/secret.js';
import { instant, wallTime } from '../../../src/base/time.js';
import type {
  PresharedKeysEffect,
  PresharedKeysEvent,
} from '../../../src/rotation/presharedKeys.js';
import { PresharedKeys } from '../../../src/rotation/presharedKeys.js';
import {
  decodePresharedKeyMessage,
  encodeHave,
  encodeLacks,
} from '../../../src/rotation/presharedKeyMessage.js';
import {
  decodePresharedKeys,
  encodePresharedKeys,
} from '../../../src/rotation/presharedKeyState.js';

const bytesOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const secret = (fill: number): Secret => new Secret(bytesOf(fill));
const LOCAL = bytesOf(0xaa);
const REMOTE = bytesOf(0xbb);
const now = (
  seconds: number,
): { boot: ReturnType<typeof instant>; wall: ReturnType<typeof wallTime> } => ({
  boot: instant(seconds * 1000),
  wall: wallTime(0),
});

/** One end, whose store answers at once unless told otherwise. */
class End {
  readonly machine: PresharedKeys;
  sent: Uint8Array[] = [];
  words: string[] = [];
  accept: number[] = [];
  respond = -1;
  storeWorks = true;

  constructor(local = LOCAL, remote = REMOTE) {
    const first = { generation: 0n, key: secret(0), peerHas: true, peerSwitched: true };
    this.machine = new PresharedKeys({ local, remote, keys: [first] });
    this.handle({ kind: 'started' });
  }

  handle(event: PresharedKeysEvent, seconds = 0): void {
    this.#apply(this.machine.handle(event, now(seconds)), seconds);
  }

  timeout(seconds: number): void {
    this.#apply(this.machine.handleTimeout(now(seconds)), seconds);
  }

  agree(generation: number, fill = generation): void {
    this.handle({ kind: 'secretAgreed', generation: BigInt(generation), key: secret(fill) });
  }

  receive(bytes: Uint8Array, seconds = 0): void {
    this.handle({ kind: 'messageReceived', bytes }, seconds);
  }

  have(
    generation: number,
    flags: { knows?: boolean; done?: boolean } = {},
    fill = generation,
  ): void {
    const { knows = false, done = false } = flags;
    this.receive(encodeHave({ generation: BigInt(generation), knows, done }, secret(fill), REMOTE));
  }

  take(): string[] {
    return this.words.splice(0);
  }

  #apply(effects: readonly PresharedKeysEffect[], seconds: number): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.sent.push(effect.bytes);
      if (effect.kind === 'transition')
        this.words.push(`${effect.generation} ${effect.transition}`);
      if (effect.kind === 'refused') this.words.push(effect.reason);
      if (effect.kind === 'alert')
        this.words.push(`${effect.alert} ${effect.raised ? 'on' : 'off'}`);
      if (effect.kind === 'useKeys') {
        this.accept = effect.accept.map((key) => key.expose()[0]!);
        this.respond = effect.respond.expose()[0]!;
      }
      if (effect.kind === 'store') {
        effect.value.destroy();
        const { write } = effect;
        this.handle({ kind: this.storeWorks ? 'stored' : 'storeFailed', write }, seconds);
      }
    }
  }
}

/** Passes messages until nobody has anything to say; the number of them. */
function talk(a: End, b: End): number {
  let count = 0;
  for (; a.sent.length + b.sent.length > 0 && count < 100; count++) {
    if (a.sent.length > 0) b.receive(a.sent.shift()!);
    else a.receive(b.sent.shift()!);
  }
  return count;
}

test('both ends take the new key, and drop the old one three minutes later', (t) => {
  const [a, b] = [new End(LOCAL, REMOTE), new End(REMOTE, LOCAL)];
  a.agree(1);
  t.deepEqual([a.accept, a.respond], [[1, 0], 0]);
  b.agree(1);
  t.true(talk(a, b) <= 8);
  for (const end of [a, b]) {
    t.deepEqual([end.accept, end.respond], [[1, 0], 1]);
    end.timeout(179.9);
    t.deepEqual(end.accept, [1, 0]);
    end.timeout(180);
    t.deepEqual(end.accept, [1]);
    t.is(end.machine.nextTimeout(), null);
    t.is(end.sent.length, 0);
  }
});

test('a key is accepted once it is written, and said to be so only then', (t) => {
  const end = new End();
  end.storeWorks = false;
  end.agree(1);
  t.deepEqual(end.accept, [0]);
  t.is(end.sent.length, 0);
  t.true(end.take().includes('store on'));
  end.storeWorks = true;
  end.timeout(5);
  t.deepEqual(end.accept, [1, 0]);
  t.is(end.sent.length, 1);
  t.true(end.take().includes('store off'));
});

test('what the peer has counts once it is written', (t) => {
  const end = new End();
  end.agree(1);
  end.sent = [];
  end.storeWorks = false;
  end.have(1);
  t.is(end.respond, 0);
  t.is(end.sent.length, 0);
  end.storeWorks = true;
  end.timeout(5);
  t.is(end.respond, 1);
  t.true(
    end.sent.some((bytes) => {
      const message = decodePresharedKeyMessage(bytes);
      return message?.kind === 'have' && message.knows && !message.done;
    }),
  );
});

test('says what it has after 5 s, 10 s, 20 s, and every minute, until the peer knows', (t) => {
  const end = new End();
  end.agree(1);
  const times: number[] = [];
  for (let seconds = 0; seconds < 300; seconds++) {
    const before = end.sent.length;
    end.timeout(seconds);
    if (end.sent.length > before) times.push(seconds);
  }
  t.deepEqual(times, [5, 15, 35, 75, 135, 195, 255]);
  end.have(1, { knows: true });
  end.sent = [];
  end.timeout(400);
  t.is(end.sent.length, 0);
});

test('a wrong tag is answered with lacks, and neither side switches', (t) => {
  const [a, b] = [new End(LOCAL, REMOTE), new End(REMOTE, LOCAL)];
  a.agree(1, 11);
  b.agree(1, 12);
  talk(a, b);
  for (const end of [a, b]) {
    t.true(end.take().includes('1 dropped'));
    t.deepEqual([end.accept, end.respond], [[0], 0]);
  }
});

test('a message that comes back to its sender is none of the peer’s', (t) => {
  const end = new End();
  end.agree(1);
  end.receive(end.sent.shift()!);
  t.true(end.take().includes('wrongTag'));
  t.is(end.respond, 0);
});

test('lacks drops a key only if the peer never said that it has it', (t) => {
  const end = new End();
  end.agree(1);
  end.have(1);
  end.receive(encodeLacks(1n));
  t.deepEqual(end.accept, [1, 0]);
  end.agree(2);
  end.receive(encodeLacks(2n));
  t.deepEqual(end.accept, [1, 0]);
  end.receive(encodeLacks(0n));
  t.deepEqual(end.accept, [1, 0]);
});

test('an unknown generation is lacking only if a higher one is here', (t) => {
  const end = new End();
  end.have(5);
  t.is(end.sent.length, 0);
  end.agree(7);
  end.sent = [];
  end.have(5);
  t.deepEqual(end.sent, [encodeLacks(5n)]);
  end.have(9);
  t.is(end.sent.length, 1);
});

test('a generation that isn’t above all others is refused, and its secret zeroed', (t) => {
  const end = new End();
  end.agree(3);
  end.take();
  for (const generation of [0n, 2n, 3n]) {
    const key = secret(9);
    end.handle({ kind: 'secretAgreed', generation, key });
    t.true(key.destroyed);
    t.deepEqual(end.take(), ['oldGeneration']);
  }
});

test('a fifth key is refused with an alert until one is dropped', (t) => {
  const end = new End();
  for (const generation of [1, 2, 3]) end.agree(generation);
  end.take();
  end.agree(4);
  t.deepEqual(end.take(), ['pskStuck on', 'tooManyKeys']);
  end.receive(encodeLacks(2n));
  t.true(end.take().includes('pskStuck off'));
  end.agree(4);
  t.deepEqual(end.accept, [4, 3, 1, 0]);
});

test('refuses every message that isn’t whole, and changes nothing', (t) => {
  const end = new End();
  end.agree(1);
  end.take();
  const whole = encodeHave({ generation: 1n, knows: true, done: true }, secret(1), REMOTE);
  for (let length = 0; length < whole.length; length++) end.receive(whole.subarray(0, length));
  end.receive(Uint8Array.of(...whole, 0));
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = whole.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    end.receive(changed);
  }
  t.is(end.respond, 0);
  t.false(end.take().some((word) => word.startsWith('1 ')));
});

test('the list is read as it was written, and nothing else is', (t) => {
  const keys = [
    { generation: 4n, key: secret(4), peerHas: true, peerSwitched: true },
    { generation: 7n, key: secret(7), peerHas: false, peerSwitched: false },
  ];
  const bytes = encodePresharedKeys(keys).expose().slice();
  const decode = (value: Uint8Array): ReturnType<typeof decodePresharedKeys> =>
    decodePresharedKeys(new Secret(value.slice()));
  t.deepEqual(encodePresharedKeys(decode(bytes)!).expose(), bytes);
  for (let length = 0; length < bytes.length; length++) {
    t.is(decode(bytes.subarray(0, length)), null);
  }
  t.is(decode(Uint8Array.of(...bytes, 0)), null);
  for (const [offset, value] of [
    [0, 2],
    [1, 0],
    [1, 5],
    [9, 9],
    [42, 2],
    [42, 4],
  ] as const) {
    const changed = bytes.slice();
    changed[offset] = value;
    t.is(decode(changed), null, `${offset}`);
  }
});
