// Which DNS tool is chosen, and what it is called with. The tools are scripts that write their
// arguments down. SPEC.md 8.4.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  asksStub,
  detectDnsTool,
  recordPrefix,
  resolvconfText,
  revertDns,
  setDns,
} from '../../../src/platform/dns/dnsTool.js';
import { runCommand } from '../../../src/platform/network/command.js';
import type { DnsItem } from '../../../src/platform/network/networkItem.js';

const SYSTEM_PATH = process.env['PATH'];

interface Tools {
  readonly folder: string;
  calls(): string[];
}

/** Puts scripts first in PATH; each notes `name arguments < input` and ends with its status. */
function tools(t: ExecutionContext, statuses: Readonly<Record<string, number>>): Tools {
  const folder = mkdtempSync(join(tmpdir(), 'beam-dns-'));
  const log = join(folder, 'log');
  for (const [name, status] of Object.entries(statuses)) {
    const script = `#!/bin/sh\necho "${name} $*" >> ${log}\nsed 's/^/  /' >> ${log}\nexit ${status}\n`;
    writeFileSync(join(folder, name), script);
    chmodSync(join(folder, name), 0o755);
  }
  process.env['PATH'] = `${folder}:${SYSTEM_PATH}`;
  t.teardown(() => {
    process.env['PATH'] = SYSTEM_PATH;
    rmSync(folder, { recursive: true });
  });
  return {
    folder,
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []),
  };
}

const item: DnsItem = {
  kind: 'dns',
  tool: 'resolvconf',
  record: 'tun.wg0',
  servers: ['10.0.0.53', 'fd00::53'],
  search: ['corp.example', 'lab.example'],
  allDomains: false,
};

test.serial('resolvconf gets servers and domains on its input, as from wg-quick', async (t) => {
  const fake = tools(t, { resolvconf: 0 });
  await setDns(runCommand, item, 'wg0');
  await revertDns(runCommand, item, 'wg0');
  t.deepEqual(fake.calls(), [
    'resolvconf -a tun.wg0 -m 0 -x',
    '  nameserver 10.0.0.53',
    '  nameserver fd00::53',
    '  search corp.example lab.example',
    'resolvconf -d tun.wg0 -f',
  ]);
});

test.serial(
  'resolvectl gets servers, domains and whether it is the default, and is reverted',
  async (t) => {
    const fake = tools(t, { resolvectl: 0 });
    const link = { ...item, tool: 'resolvectl', record: 'wg0' } as const;
    await setDns(runCommand, link, 'wg0');
    await setDns(runCommand, { ...link, allDomains: true, search: [] }, 'wg0');
    await revertDns(runCommand, link, 'wg0');
    t.deepEqual(fake.calls(), [
      'resolvectl dns wg0 10.0.0.53 fd00::53',
      'resolvectl domain wg0 corp.example lab.example',
      'resolvectl default-route wg0 false',
      'resolvectl dns wg0 10.0.0.53 fd00::53',
      'resolvectl domain wg0 ~.',
      'resolvectl default-route wg0 true',
      'resolvectl revert wg0',
    ]);
  },
);

test.serial('a resolvectl that answers is taken where there is no resolvconf', async (t) => {
  const fake = tools(t, { resolvectl: 0 });
  t.deepEqual(await detectDnsTool(runCommand), { kind: 'resolvectl' });
  t.deepEqual(fake.calls(), ['resolvectl status --no-pager']);
});

test.serial(
  'a resolvectl that nobody answers gives way to resolvconf, or to nothing',
  async (t) => {
    tools(t, { resolvectl: 1, resolvconf: 0 });
    t.is((await detectDnsTool(runCommand)).kind, 'resolvconf');
    tools(t, { resolvectl: 1 });
    t.is((await detectDnsTool(runCommand)).kind, 'none');
  },
);

test.serial(
  "systemd's resolvconf is resolvectl, and no way around a resolved that is silent",
  async (t) => {
    const fake = tools(t, { resolvectl: 1 });
    symlinkSync('resolvectl', join(fake.folder, 'resolvconf'));
    t.is((await detectDnsTool(runCommand)).kind, 'none');
  },
);

test.serial('resolvconf that fails is an error for the caller to warn of', async (t) => {
  tools(t, { resolvconf: 3 });
  await t.throwsAsync(setDns(runCommand, item, 'wg0'));
});

test.serial('a tool that is gone has nothing to revert', async (t) => {
  tools(t, {});
  await t.notThrowsAsync(revertDns(runCommand, item, 'wg0'));
});

test.serial('resolved that no longer knows the interface is no error', async (t) => {
  tools(t, { resolvectl: 1 });
  await t.notThrowsAsync(revertDns(runCommand, { ...item, tool: 'resolvectl' }, 'wg0'));
});

test('search domains are left out where there are none', (t) => {
  t.is(resolvconfText({ servers: ['10.0.0.53'], search: [] }), 'nameserver 10.0.0.53\n');
});

test("only resolved's own addresses in resolv.conf mean that it is asked", (t) => {
  t.true(asksStub('# x\nnameserver 127.0.0.53\noptions edns0\n'));
  t.false(asksStub('nameserver 127.0.0.53\nnameserver 192.0.2.1\n'));
  t.false(asksStub('#nameserver 127.0.0.53\n'));
  t.false(asksStub(''));
});

test("the record's prefix is the first pattern with a star at its end", (t) => {
  t.is(recordPrefix('# comment\nlo.inet6\nlo.inet\nlo.@(dnsmasq|pdnsd)\ntun*\ntap*\n'), 'tun.');
  t.is(recordPrefix('lo\neth0\n'), '');
});
