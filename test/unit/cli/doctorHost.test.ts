// The questions of `beam doctor` about the machine, from made-up facts. SPEC.md 9.5.
import test from 'ava';
import type { Check } from '../../../src/cli/doctor/check.js';
import {
  judgeAddon,
  judgeBuffers,
  judgeClock,
  judgeIpv6,
  judgeNode,
  judgePrivileges,
  judgeTools,
  judgeTun,
  satisfies,
} from '../../../src/cli/doctor/hostChecks.js';

const RANGE = '^20.19.0 || ^22.20.0 || ^24.12.0 || >=26.0.0';

const levels = (checks: readonly Check[]): string[] => checks.map(({ level }) => level);

test('a version is in the range of engines from its floor to the next major version', (t) => {
  for (const version of ['20.19.0', '20.20.2', '22.20.0', '24.12.1', '26.0.0', '31.2.0']) {
    t.true(satisfies(version, RANGE), version);
  }
  for (const version of [
    '18.20.0',
    '20.18.9',
    '21.7.0',
    '22.19.9',
    '23.0.0',
    '24.11.9',
    '25.9.0',
  ]) {
    t.false(satisfies(version, RANGE), version);
  }
  t.true(satisfies('26.0.0-nightly2026', RANGE));
});

test('a range of a form that is not known is not guessed at', (t) => {
  t.throws(() => satisfies('20.19.0', '~20.19.0'));
  t.throws(() => satisfies('20.19.0', ''));
});

test('node: a version outside of engines fails', (t) => {
  t.is(judgeNode({ version: '24.12.0', range: RANGE }).level, 'ok');
  const check = judgeNode({ version: '21.0.0', range: RANGE });
  t.is(check.level, 'fail');
  t.true(check.finding.includes(RANGE));
});

test('addon: warns only where neither can be loaded, and says which engine follows', (t) => {
  const file = 'native/prebuilds/linux-x64/beam_engine.glibc.node';
  t.like(judgeAddon({ io: null, engine: null, file }), {
    level: 'ok',
    finding: `are loaded: the native engine serves (${file})`,
  });
  t.regex(judgeAddon({ io: 'not built', engine: null, file }).finding, /native engine/);
  t.regex(judgeAddon({ io: null, engine: 'not built', file: null }).finding, /sodium engine/);
  t.like(judgeAddon({ io: 'not built', engine: 'ABI 0', file: null }), { level: 'warn' });
});

test('tun: fails where the device is missing, refused, or another kind of file', (t) => {
  t.like(judgeTun({ characterDevice: true, errno: null }), { level: 'ok', finding: 'opens' });
  t.is(judgeTun({ characterDevice: false, errno: null }).level, 'fail');
  for (const errno of ['ENOENT', 'EACCES', 'EPERM', 'ENODEV', 'EMFILE']) {
    const check = judgeTun({ characterDevice: false, errno });
    t.is(check.level, 'fail');
    t.true(check.finding.includes(errno));
    t.not(check.remedy, null);
  }
});

test('privileges: fails without CAP_NET_ADMIN', (t) => {
  t.is(judgePrivileges({ netAdmin: true }).level, 'ok');
  t.is(judgePrivileges({ netAdmin: false }).level, 'fail');
});

test('tools: fails without ip; other tools warn only where a tunnel needs them', (t) => {
  const all = { ip: true, firewall: 'nft', dns: 'resolvectl' } as const;
  const nobody = { needFirewall: [], needDns: [] };
  t.deepEqual(levels(judgeTools({ ...all, ...nobody })), ['ok', 'ok', 'ok']);
  t.deepEqual(levels(judgeTools({ ...all, ...nobody, ip: false })), ['fail', 'ok', 'ok']);
  const bare = { ip: true, firewall: null, dns: null } as const;
  t.deepEqual(levels(judgeTools({ ...bare, ...nobody })), ['ok', 'ok', 'ok']);
  const needed = judgeTools({ ...bare, needFirewall: ['full0'], needDns: ['full0', 'dns1'] });
  t.deepEqual(levels(needed), ['ok', 'warn', 'warn']);
  t.true(needed[2]!.finding.includes('full0, dns1'));
});

test('ipv6: warns only where it is off and a tunnel needs it', (t) => {
  t.is(judgeIpv6({ available: true, needed: ['beam0'] }).level, 'ok');
  t.is(judgeIpv6({ available: false, needed: [] }).level, 'ok');
  t.is(judgeIpv6({ available: false, needed: ['beam0'] }).level, 'warn');
});

test("clock: fails before Beam's own build, warns where it isn't synchronised", (t) => {
  const builtMs = Date.UTC(2026, 10, 24);
  t.is(judgeClock({ nowMs: builtMs - 1, builtMs, synchronised: true }).level, 'fail');
  t.is(judgeClock({ nowMs: builtMs, builtMs, synchronised: true }).level, 'ok');
  t.is(judgeClock({ nowMs: builtMs, builtMs, synchronised: false }).level, 'warn');
  const unknown = judgeClock({ nowMs: builtMs, builtMs, synchronised: null });
  t.is(unknown.level, 'ok');
  t.regex(unknown.finding, /nobody tells/);
});

test('udpBuffers: warns under 1 MiB, and not about a setting that the namespace hides', (t) => {
  const mebibyte = 1_048_576;
  t.deepEqual(levels(judgeBuffers({ rmemMax: mebibyte, wmemMax: mebibyte - 1 })), ['ok', 'warn']);
  t.deepEqual(levels(judgeBuffers({ rmemMax: 212_992, wmemMax: 212_992 })), ['warn', 'warn']);
  t.deepEqual(levels(judgeBuffers({ rmemMax: null, wmemMax: null })), ['ok', 'ok']);
});
