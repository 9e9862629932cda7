// How `beam doctor` prints what it found, and what becomes of a question that can't be answered.
import test from 'ava';
import { OperatorError } from '../../../src/base/errors.js';
import { guarded, renderChecks, Verdicts } from '../../../src/cli/doctor/check.js';

const CHECKS = [
  new Verdicts('tun', '/dev/net/tun').ok('opens'),
  new Verdicts('udpBuffers', 'net.core.rmem_max').warn('is 212992', 'sysctl -w …'),
  new Verdicts('ownKey', 'beam0').fail('has itself as a peer', 'put the other key there'),
];

test('each check is a line, aligned, with a remedy under what is not ok', (t) => {
  t.is(
    renderChecks(CHECKS, { colours: false }),
    `ok   tun        /dev/net/tun opens
WARN udpBuffers net.core.rmem_max is 212992
                remedy: sysctl -w …
FAIL ownKey     beam0 has itself as a peer
                remedy: put the other key there
3 checks: 1 ok, 1 warning, 1 failed
`,
  );
});

test('colours mark the level alone and keep the columns', (t) => {
  const text = renderChecks(CHECKS, { colours: true });
  t.true(text.startsWith('\x1b[32mok  \x1b[0m tun        /dev/net/tun opens\n'));
  t.is(withoutColours(text), renderChecks(CHECKS, { colours: false }));
});

const withoutColours = (text: string): string =>
  ['32', '33;1', '31;1', '0'].reduce((rest, code) => rest.replaceAll(`\x1b[${code}m`, ''), text);

test('a name from a file cannot steer the terminal or begin a new line', (t) => {
  const check = new Verdicts('overlap', 'beam0').warn('peer \x1b[2J\nok   node', 'x\ry');
  const text = renderChecks([check], { colours: false });
  t.is(text.split('\n').length, 4);
  t.false(text.includes('\x1b') || text.includes('\r'));
});

test('no checks are counted as none', (t) => {
  t.is(renderChecks([], { colours: false }), '0 checks: 0 ok, 0 warnings, 0 failed\n');
});

test('a check that throws is a warning and says why, in one line', async (t) => {
  const [check] = await guarded('mtu', 'beam0', () => {
    throw new Error('ip link: missing\nstack');
  });
  t.like(check, {
    id: 'mtu',
    level: 'warn',
    subject: 'beam0',
    finding: 'could not be checked: ip link: missing',
  });
  t.not(check!.remedy, null);
});

test('without permission the remedy is to be root', async (t) => {
  const [check] = await guarded('config', '/etc/beam/a.conf', () =>
    Promise.reject(
      new OperatorError({
        code: 'E_CONFIG_READ',
        place: '/etc/beam/a.conf',
        expected: 'a readable file',
        found: 'permission denied',
        remedy: 'run this as root',
      }),
    ),
  );
  t.is(check!.finding, 'could not be checked: /etc/beam/a.conf: permission denied');
  t.regex(check!.remedy!, /as root/);
});

test('the first of several errors is told, with its own remedy', async (t) => {
  const error = new OperatorError({
    code: 'E_KEY_FILE',
    place: '/key',
    expected: 'a key',
    found: 'another text',
    remedy: 'write a key',
  });
  const [check] = await guarded('ownKey', 'beam0', () => {
    throw new AggregateError([error, new Error('second')], 'refused');
  });
  t.like(check, { finding: 'could not be checked: /key: another text', remedy: 'write a key' });
});

test('answers pass through a guard as they are', async (t) => {
  t.deepEqual(await guarded('tun', 'x', () => CHECKS[0]!), [CHECKS[0]!]);
  t.deepEqual(await guarded('tun', 'x', () => Promise.resolve(CHECKS)), CHECKS);
});
