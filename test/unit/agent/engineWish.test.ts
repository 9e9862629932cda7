import test from 'ava';
import { engineFromEnvironment } from '../../../src/agent/engineWish.js';
import { OperatorError } from '../../../src/base/errors.js';

test('what the environment leaves open is left to the configuration', (t) => {
  t.deepEqual(engineFromEnvironment({}), {});
  t.deepEqual(engineFromEnvironment({ BEAM_ENGINE: '', BEAM_QUEUES: '' }), {});
  t.deepEqual(engineFromEnvironment({ BEAM_ENGINE: 'sodium' }), { choice: 'sodium' });
  t.deepEqual(engineFromEnvironment({ BEAM_QUEUES: '8' }), { queues: 8 });
});

for (const text of ['0', '9', '-1', '1.5', '2 ', '08', 'two', '10']) {
  test(`BEAM_QUEUES=${JSON.stringify(text)} is refused with what is allowed`, (t) => {
    const error = t.throws(() => engineFromEnvironment({ BEAM_QUEUES: text }), {
      instanceOf: OperatorError,
    });
    t.is(error.details.code, 'E_ENGINE');
    t.is(error.details.place, 'BEAM_QUEUES');
    t.is(error.details.expected, '1 to 8');
  });
}

test('an unknown engine is refused with the names there are', (t) => {
  const error = t.throws(() => engineFromEnvironment({ BEAM_ENGINE: 'kernel' }), {
    instanceOf: OperatorError,
  });
  t.is(error.details.expected, 'auto, native, sodium');
});
