// One list of reasons for dropping in four places: the port, the C++ engine, the specification, and
// what the status shows. SPEC.md 4.6.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { renderTunnels } from '../../../src/cli/status/render.js';
import { DropCounters } from '../../../src/dataPlane/drops.js';
import type { TunnelStatus } from '../../../src/ports/control.js';
import { DROP_REASONS } from '../../../src/ports/dataPlane.js';

const COUNTERS = readFileSync('native/engine/core/counters.h', 'utf8');

/** The names between the braces that follow `start`. */
function braced(start: string, name: RegExp): string[] {
  const from = COUNTERS.indexOf(start);
  const end = COUNTERS.indexOf('};', from);
  const inside = COUNTERS.slice(COUNTERS.indexOf('{', from) + 1, end);
  return [...inside.matchAll(name)].map(([, one]) => one!);
}

test('C++ counts by the reasons that TypeScript knows, in their order', (t) => {
  t.deepEqual(braced('enum class Drop ', /(\w+),/g), [...DROP_REASONS]);
  t.deepEqual(braced('kDropReasonNames[]', /"(\w+)"/g), [...DROP_REASONS]);
});

test('the specification names every reason', (t) => {
  const spec = readFileSync('SPEC.md', 'utf8');
  const section = spec.slice(spec.indexOf('### 4.6 Drops'), spec.indexOf('## 5 Timers'));
  const named = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, reason]) => reason);
  t.deepEqual(named, [...DROP_REASONS]);
});

test('the sodium engine counts by every reason', (t) => {
  const counters = new DropCounters();
  for (const reason of DROP_REASONS) counters.drop(reason);
  t.deepEqual(counters.drops(), Object.fromEntries(DROP_REASONS.map((reason) => [reason, 1])));
});

test('the status shows every reason that was counted', (t) => {
  const drops = Object.fromEntries(DROP_REASONS.map((reason, i) => [reason, 1000 + i]));
  const status: TunnelStatus = {
    interface: 'beam0',
    pid: 1,
    version: '0',
    startedAt: 0,
    up: true,
    mtu: 1420,
    engine: 'native',
    features: {},
    publicKey: null,
    listenPort: 0,
    fwmark: 0,
    configFile: null,
    peers: [],
    drops: drops as TunnelStatus['drops'],
    sendErrors: {},
    handshakeRefusals: {},
    residentBytes: 0,
    warnings: [],
  };
  const shown = renderTunnels([{ source: 'beam', ...status }], {
    colours: false,
    stats: true,
    nowMs: 0,
    secrets: null,
  });
  const line = shown.split('\n').find((one) => one.startsWith('  dropped: '));
  t.is(line, `  dropped: ${DROP_REASONS.map((reason, i) => `${reason} ${1000 + i}`).join(', ')}`);
});
