import test from 'ava';
import { inspect } from 'node:util';
import { BugError } from '../../../src/base/assert.js';
import { equalConstantTime, fromHex, keyFromBase64, toBase64 } from '../../../src/base/bytes.js';
import { OperatorError } from '../../../src/base/errors.js';
import { Secret } from '../../../src/base/secret.js';

test('a secret has no way to print', (t) => {
  const secret = new Secret(Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
  const printed = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ a: [secret] }),
  ];
  for (const text of printed) {
    t.true(text.includes('[secret]'));
    t.false(/222|dead|3q2/i.test(text));
  }
});

test('a destroyed secret is zeroed and refuses to be used', (t) => {
  const bytes = Uint8Array.of(1, 2, 3);
  const secret = new Secret(bytes);
  secret.destroy();
  t.deepEqual([...bytes], [0, 0, 0]);
  t.throws(() => secret.expose(), { instanceOf: BugError });
});

test('comparison tells any one changed bit, and lengths', (t) => {
  const a = Uint8Array.from({ length: 16 }, (_, i) => i);
  t.true(equalConstantTime(a, a.slice()));
  for (let bit = 0; bit < 128; bit++) {
    const b = a.slice();
    b[bit >> 3]! ^= 1 << (bit & 7);
    t.false(equalConstantTime(a, b));
  }
  t.false(equalConstantTime(a, a.subarray(1)));
});

test('hex is exact in length and alphabet', (t) => {
  t.deepEqual(fromHex('00fF', 2), Uint8Array.of(0, 255));
  for (const text of ['00f', '00fg', '0x00', '00ff00', '']) t.is(fromHex(text, 2), null);
});

test('a base64 key is canonical, as wg wants it', (t) => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  t.deepEqual(keyFromBase64(toBase64(key)), key);
  const text = toBase64(key);
  const loose = text.slice(0, 42) + String.fromCharCode(text.charCodeAt(42) + 1) + '=';
  for (const bad of [loose, text.slice(1), `${text}=`, text.replace('=', 'A'), ` ${text}`, '']) {
    t.is(keyFromBase64(bad), null);
  }
});

test('an operator error says code, place, expected, found and remedy', (t) => {
  const error = new OperatorError({
    code: 'E_EXAMPLE',
    place: 'wg0.conf:3',
    expected: 'a port',
    found: '"x"',
    remedy: 'write a number',
  });
  t.is(error.code, 'E_EXAMPLE');
  t.is(error.message, 'E_EXAMPLE wg0.conf:3: expected a port, found "x"\n  remedy: write a number');
});
