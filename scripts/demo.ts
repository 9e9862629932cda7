// `npm start`: shows Beam's main job. Two agents in two network namespaces make a tunnel and use it;
// without root or TUN devices, two agents in this process do. Leaves nothing behind, and says so.
import { namespacesUnavailable } from '../test/support/netnsAvailable.js';
import { demonstrateInMemory } from './demo/inMemory.js';
import { releaseLock, takeLock } from './demo/lock.js';
import { Narrator, styled } from './demo/output.js';
import { TunnelDemo } from './demo/tunnelDemo.js';

const narrator = new Narrator();

async function inNamespaces(): Promise<boolean> {
  narrator.title('Beam: two agents, two networks, one tunnel');
  const place = 'Everything happens in two network namespaces; this machine stays as it is.';
  console.log(`   ${styled('dim', place)}\n`);
  const holder = takeLock();
  if (holder !== null) {
    narrator.bad(`Another demo is running (process ${holder}).`);
    return false;
  }
  const demo = new TunnelDemo(narrator);
  const interrupted = (): void => {
    narrator.bad('interrupted: clearing up');
    void demo
      .clear()
      .finally(releaseLock)
      .finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupted);
  let worked = false;
  try {
    await demo.run();
    worked = true;
  } catch (error) {
    narrator.bad(error instanceof Error ? error.message : String(error));
  }
  const left = await demo.clear();
  releaseLock();
  if (left.length > 0) {
    narrator.bad(`left behind:\n  ${left.join('\n  ')}`);
    return false;
  }
  narrator.step('left behind', 'nothing: no namespace, no process, no socket, no file');
  return worked;
}

async function inMemory(reason: string): Promise<boolean> {
  narrator.title('Beam: two agents in one process');
  console.log(`   The full demo needs network namespaces and TUN devices: ${reason}.`);
  console.log(
    '   Here are the same handshake and packet path, between arrays instead of networks.\n',
  );
  return demonstrateInMemory(narrator);
}

const reason = namespacesUnavailable();
const worked = await (reason === null ? inNamespaces() : inMemory(reason));
if (worked) narrator.good('It works.');
else narrator.bad('It did not work.');
process.exitCode = worked ? 0 : 1;
