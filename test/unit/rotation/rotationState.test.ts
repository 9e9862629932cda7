import test from 'ava';
import { Secret } from '../../../src/base/secret.js';
import { decodeRotationState, encodeRotationState } from '../../../src/rotation/rotationState.js';
import { at, confirmed, Harness } from './rotationHarness.js';

/** A state with all three keys: 24 h old, rotated, and asked for another one. */
function full(): Uint8Array {
  const harness = confirmed();
  harness.runUntil(24.1);
  harness.handle({ kind: 'handshakeCompleted', epoch: harness.inUse[0]! }, at(24.1));
  const { next, ...rest } = harness.saved;
  const other = confirmed().saved.current!;
  return encodeRotationState({ ...rest, next: next ?? other })
    .expose()
    .slice();
}

const decode = (bytes: Uint8Array): ReturnType<typeof decodeRotationState> =>
  decodeRotationState(new Secret(bytes.slice()));

test('what was written is read again, to the byte', (t) => {
  for (const bytes of [full(), confirmed().disk!]) {
    t.deepEqual(encodeRotationState(decode(bytes)!).expose(), bytes);
  }
  const state = decode(full())!;
  t.true(state.next !== null && state.current !== null && state.previous !== null);
});

test('a first start writes a state that is small', (t) => {
  const harness = new Harness();
  harness.handle({ kind: 'started' }, at(0));
  t.true(harness.disk!.length < 400);
});

test('refuses every other length', (t) => {
  const bytes = full();
  for (let length = 0; length < bytes.length; length++) {
    if (decode(bytes.subarray(0, length)) !== null) t.fail(`${length} bytes`);
  }
  t.is(decode(Uint8Array.of(...bytes, 0)), null);
});

test('refuses what no writer writes', (t) => {
  const bytes = full();
  const changed = (at: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  t.is(decode(changed(0, 2)), null, 'version');
  t.is(decode(changed(42, 8)), null, 'keys');
  t.is(decode(changed(25, 0x7f)), null, 'a time past the exact numbers');
  t.is(decode(changed(bytes.length - 1, 2)), null, 'confirmed');
  t.is(decode(changed(43 + 40, 0xff)), null, 'the size of a credential');
});
