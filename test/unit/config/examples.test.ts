// The commented examples in config/ stay files that Beam takes, without a notice.
import test from 'ava';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatTunnelConfig } from '../../../src/config/file/formatTunnelConfig.js';
import type { TunnelConfig } from '../../../src/config/tunnelConfig.js';
import type { ExecutionContext } from 'ava';
import { accept, meaning } from './sample.js';

const folder = join(process.cwd(), 'config');
const files = readdirSync(folder).filter((name) => name.endsWith('.conf'));
const example = (t: ExecutionContext, name: string): TunnelConfig => {
  const { config, notices } = accept(t, readFileSync(join(folder, name), 'utf8'));
  t.deepEqual(notices, []);
  return config;
};

test('there are examples for the usual cases', (t) => {
  const wanted = ['beam0', 'edge', 'full-tunnel', 'hub', 'router'];
  t.deepEqual(
    files.sort(),
    wanted.map((name) => `${name}.conf`),
  );
});

for (const name of files) {
  test(`${name} is accepted without a notice, and reads back as it is written`, (t) => {
    const config = example(t, name);
    t.deepEqual(meaning(accept(t, formatTunnelConfig(config)).config), meaning(config));
  });

  test(`${name} names all of its peers and fits the interface's name`, (t) => {
    t.true(example(t, name).peers.every((peer) => peer.name !== null));
    t.regex(name, /^[a-zA-Z0-9_=+.-]{1,15}\.conf$/);
  });

  test(`${name} has no keys but those that say what they are`, (t) => {
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [key] of text.matchAll(/[A-Za-z0-9+/]{43}=/g)) t.regex(key, /^EXAMPLE0DO0NOT0USE0/);
  });
}

test('the examples show what they are about', (t) => {
  t.is(example(t, 'hub.conf').peers.length, 4);
  t.is(
    example(t, 'full-tunnel.conf').peers[0]!.allowedIps.filter(({ length }) => length === 0).length,
    2,
  );
  t.true(example(t, 'router.conf').interface.postUp.length > 0);
  t.is(example(t, 'edge.conf').interface.privateKeyFile, 'edge.key');
});
