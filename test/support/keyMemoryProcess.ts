// An engine on a socket pair whose session keys another process looks for in this one's memory. Takes
// a word a line (install, drop, close) and prints `done` when it has been done.
//
//   keyMemoryProcess <suite> <cipher> <seed>
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parsePrefix } from '../../src/base/ip.js';
import { systemClock } from '../../src/platform/clock.js';
import { openNativeEngine } from '../../src/platform/nativeEngine.js';
import type { NativeEngine, NativeEngineUse } from '../../src/platform/nativeEngine.js';
import { peerId } from '../../src/ports/dataPlane.js';
import type { Suite } from '../../src/ports/dataPlane.js';
import { wireGuardLimits } from '../../src/session/limits.js';
import { ipPacket } from './ipPackets.js';
import { keyByte } from './keyMemory.js';

const [suite, cipher, seed] = process.argv.slice(2);
const peer = peerId(0);
const engine = openPair();
const port = engine.bind(0);
engine.pair.link(true, 1420);
engine.addPeer(peer);
const remote = { family: 4, address: '127.0.0.1', port: 9, scopeId: 0 } as const;
engine.setPath(peer, { remote, local: null });
engine.changeAllowedIps(peer, { replace: true, add: [parsePrefix('0.0.0.0/0')!], remove: [] });

function openPair(): NativeEngine {
  const opened = openNativeEngine({
    source: 'pair',
    use: { cipher: cipher as NativeEngineUse['cipher'] & string },
    listener: () => undefined,
  });
  if ('unavailable' in opened) throw new Error(opened.unavailable);
  return opened;
}

// Written byte by byte, so that no copy is left in anything but the arrays. Over an ArrayBuffer: V8
// keeps a short Uint8Array in its own heap, and leaves that copy when native code asks for its bytes.
function key(direction: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(32));
  for (let i = 0; i < bytes.length; i++) bytes[i] = keyByte(Number(seed) + direction, i);
  return bytes;
}

/** Keys are used both ways: a packet is sealed, and a forged datagram is not opened. */
async function install(): Promise<void> {
  engine.installKeys({
    peer,
    role: 'initiator',
    localIndex: 7,
    remoteIndex: 8,
    suite: suite as Suite,
    sendKey: key(0),
    receiveKey: key(1),
    createdAt: systemClock().now(),
    limits: wireGuardLimits('initiator'),
  });
  engine.pair.write(
    Buffer.concat([Buffer.alloc(10), ipPacket({ from: '10.0.0.1', to: '10.0.0.2' })]),
  );
  const forged = Buffer.alloc(64);
  forged.set([4, 0, 0, 0, 7]);
  const socket = createSocket('udp4');
  await new Promise((sent) => socket.send(forged, port, '127.0.0.1', sent));
  socket.close();
  for (let i = 0; engine.stats().drops.forged === 0 && i < 1000; i++) await delay(1);
  if (engine.stats().drops.forged === 0) throw new Error('the receiving key was not used');
}

for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'install') await install();
  if (word === 'drop') {
    engine.dropKeys(peer);
    engine.stats();
  }
  if (word === 'close') engine.close();
  process.stdout.write('done\n');
}
