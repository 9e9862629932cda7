// Run inside a namespace by ioSubject.ts: opens TUN devices and sockets of src/platform as it is told
// over IPC, and tells what they report.
//
//   ioProcess addon|without
import assert from 'node:assert/strict';
import { OperatorError } from '../../src/base/errors.js';
import type { UdpSockets } from '../../src/ports/udp.js';
import { loadIoAddon } from '../../src/platform/addon.js';
import { openTunDevice, type OpenTun } from '../../src/platform/tun.js';
import { openUdpSockets } from '../../src/platform/udp.js';
import type { IoAnswer, IoCall, IoEvent } from './ioSubject.js';

const load = loadIoAddon();
const addon = process.argv[2] === 'addon' ? load.addon : null;
if (process.argv[2] === 'addon') assert.ok(load.addon !== null, 'the addon is built');

let tun: OpenTun | null = null;
let udp: UdpSockets | null = null;

const tell = (event: IoEvent): void => void process.send!({ event });

const device = (): OpenTun => {
  assert.ok(tun);
  return tun;
};
const sockets = (): UdpSockets =>
  (udp ??= openUdpSockets(
    {
      datagrams: (batch) => {
        const datagrams = batch.map(({ bytes, path, ecn }) => {
          return { bytes: Buffer.from(bytes), path, ecn, isShared: path === batch[0]!.path };
        });
        tell({ kind: 'datagrams', datagrams });
      },
    },
    { addon },
  ));

async function answer(call: IoCall): Promise<unknown> {
  switch (call.kind) {
    case 'openTun': {
      const opened = await openTunDevice(
        call.source,
        {
          packets: (batch) =>
            tell({ kind: 'packets', packets: batch.map((packet) => Buffer.from(packet)) }),
          link: (state) => tell({ kind: 'link', state }),
          closed: () => tell({ kind: 'closed' }),
        },
        { addon },
      );
      tun = opened;
      return opened.name;
    }
    case 'writeTun':
      return device().write(call.packet);
    case 'setMtu':
      device().setMtu(call.mtu);
      return null;
    case 'tunFeatures':
      return device().features;
    case 'closeTun':
      device().close();
      return null;
    case 'bind':
      return sockets().bind(call.port);
    case 'unbind':
      sockets().unbind();
      return null;
    case 'setMark':
      sockets().setMark(call.mark);
      return null;
    case 'send':
      return sockets().send(call.path, call.bytes, call.trafficClass);
    case 'udpState':
      return { families: sockets().families, features: sockets().features };
    case 'disconnect':
      process.disconnect();
      return null;
    case 'exit':
      process.exit(0);
  }
}

process.on('message', (message: { readonly id: number; readonly call: IoCall }) => {
  const { id, call } = message;
  const reply = (outcome: IoAnswer): void => {
    if (process.connected) process.send!({ id, outcome });
  };
  answer(call).then(
    (value) => reply({ value }),
    (error: unknown) => {
      if (!(error instanceof OperatorError)) throw error;
      reply({ error: { code: error.code, message: error.message } });
    },
  );
});
