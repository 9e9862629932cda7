import { spawnSync } from 'node:child_process';
import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { openTunByRelay } from '../../../src/platform/tunRelay.js';
import { RELAY_PROGRAM } from '../../../src/platform/tunRelayProgram.js';
import { skip } from '../../support/skip.js';

const NO_EVENTS = { packets: () => undefined, link: () => undefined, closed: () => undefined };

test('the relay is a program that Perl takes without a warning', (t) => {
  const { status, stderr, error } = spawnSync('perl', ['-cw', '-'], {
    input: RELAY_PROGRAM,
    encoding: 'utf8',
  });
  if (error !== undefined) {
    skip(t, 'perl is not there');
    return;
  }
  t.deepEqual([status, stderr], [0, '- syntax OK\n']);
});

test('without Perl the error says that nothing stands in for the addon', (t) => {
  const module = new URL('../../../src/platform/tunRelay.js', import.meta.url);
  const program = `
    import { openTunByRelay } from ${JSON.stringify(module.href)};
    const nothing = () => undefined;
    const events = { packets: nothing, link: nothing, closed: () => console.log('closed') };
    const outcome = openTunByRelay({ name: 'beam-none', mtu: null }, events);
    console.log(await outcome.then(() => 'opened', (error) => error.message));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { PATH: '/nonexistent' },
    timeout: 20_000,
  });
  t.regex(stdout, /^E_TUN beam-none: .*no native\/beam_io and no perl/, stderr);
  t.notRegex(stdout, /closed|opened/);
});

test('a name that no interface can have starts no relay', async (t) => {
  const opening = openTunByRelay({ name: '../beam', mtu: null }, NO_EVENTS);
  const error = await t.throwsAsync(opening, { instanceOf: OperatorError });
  t.is(error.code, 'E_TUN');
});
