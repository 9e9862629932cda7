// A disk that is full when the running state is to be saved: the file that is there stays as it is.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namespaceTest } from '../support/netns.js';
import type { Namespace, Network } from '../support/netns.js';
import { runCommand, runToEnd } from '../support/netnsProcess.js';
import type { CommandResult } from '../support/netnsProcess.js';
import { SUBJECT, newKeyPair } from '../support/netnsTunnel.js';

/** Two pages: one for the file, one that the test fills. */
const DISK_BYTES = 2 * 4096;

async function smallDisk(net: Network): Promise<string> {
  const folder = net.folder();
  await runCommand(['mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=0700`, 'tmpfs', folder]);
  net.onClose(async () => {
    await runCommand(['umount', folder]);
  });
  return folder;
}

const beam = (namespace: Namespace, ...args: readonly string[]): Promise<CommandResult> =>
  runToEnd(namespace.command([process.execPath, 'dist/src/cli/main.js', ...args]));

namespaceTest(
  'a full disk fails the save with words and leaves the old file whole',
  async (t, net) => {
    const namespace = await net.namespace('a');
    const interfaceName = net.newInterfaceName();
    const folder = await smallDisk(net);
    const path = join(folder, `${interfaceName}.conf`);
    const text = `# kept by hand\n[Interface]\nPrivateKey = ${newKeyPair().privateKey}\nAddress = 10.99.0.1/24\n`;
    writeFileSync(path, text, { mode: 0o600 });
    const up = await beam(namespace, 'up', path);
    t.is(up.status, 0, up.stderr);
    const added = newKeyPair().publicKey;
    await namespace.run('wg', 'set', interfaceName, 'peer', added, 'allowed-ips', '10.5.0.0/16');

    const filler = join(folder, 'filler');
    t.throws(() => writeFileSync(filler, Buffer.alloc(2 * DISK_BYTES)), { code: 'ENOSPC' });
    const full = await beam(namespace, 'save', path);
    t.is(full.status, 1, full.stderr);
    t.regex(full.stderr, /^E_\w+ /m);
    t.regex(full.stderr, /ENOSPC|no space|disk/i);
    t.is(readFileSync(path, 'utf8'), text, 'not a byte of the old file is lost');
    t.deepEqual(readdirSync(folder).sort(), [`${interfaceName}.conf`, 'filler'].sort());

    rmSync(filler);
    const saved = await beam(namespace, 'save', path);
    t.is(saved.status, 0, saved.stderr);
    t.true(readFileSync(path, 'utf8').includes(added));
    const down = await beam(namespace, 'down', path);
    t.is(down.status, 0, down.stderr);
  },
  { unless: () => (SUBJECT === 'beam' ? null : `${SUBJECT} saves nothing`) },
);
