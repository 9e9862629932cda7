// RFC 8785's published cases: the canonical form byte by byte.
import test from 'ava';
import {
  canonicalJson,
  parseCanonicalJson,
  type Json,
} from '../../src/trust/statement/canonicalJson.js';
import { parseVector, vectorTest } from '../support/vectors.js';

for (const name of ['arrays', 'french', 'structures', 'unicode', 'values', 'weird']) {
  const files = [`jcs/input/${name}.json`, `jcs/outhex/${name}.txt`, `jcs/output/${name}.json`];
  vectorTest(
    `${name}.json gets its published canonical form`,
    files,
    (t, [input, outhex, output]) => {
      const text = canonicalJson(parseVector(input) as Json);
      t.is(Buffer.from(text).toString('hex'), outhex!.toString('utf8').replaceAll(/\s/g, ''));
      t.is(text, output!.toString('utf8'));
      t.deepEqual(parseCanonicalJson(text), parseVector(input));
      t.is(parseCanonicalJson(input!.toString('utf8')), null, 'the input itself is another form');
    },
  );
}

// The number samples of jcs/README.md: the double's bits and its text.
for (const [bits, text] of [
  ['4340000000000001', '9007199254740994'],
  ['4340000000000002', '9007199254740996'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['8000000000000000', '0'],
  ['0', '0'],
] as const) {
  test(`the double ${bits} is written ${text}`, (t) => {
    const double = Buffer.from(bits.padStart(16, '0'), 'hex').readDoubleBE();
    t.is(canonicalJson(double), text);
  });
}

test('a text that is not canonical is refused', (t) => {
  for (const text of [
    '',
    ' {}',
    '{} ',
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":1.0}',
    '{"a":1e0}',
    '{"a":-0}',
    '"\\u0041"',
    '"\\/"',
    '"\\ud800"',
    '[1, 2]',
    '1e400',
    'nul',
    '['.repeat(100_000),
  ]) {
    t.is(parseCanonicalJson(text), null, text.slice(0, 20));
  }
  t.deepEqual(
    parseCanonicalJson('{"__proto__":1,"a":[{}]}'),
    JSON.parse('{"__proto__":1,"a":[{}]}'),
  );
});
