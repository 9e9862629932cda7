// Opens and ends devices of the sanitized addon in every order: closed from callbacks, dropped for
// the garbage collector, left to the end of a worker.
//
//   node --expose-gc addonLifetimes.cjs <beam_io.node> [tun]
'use strict';
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { setTimeout: pause } = require('node:timers/promises');

const [file, withTun] = isMainThread ? process.argv.slice(2) : workerData;
const addon = require(file);
const C = addon.constants;
const nothing = () => undefined;

function udp(family, onDatagrams) {
  const buffer = Buffer.allocUnsafeSlow(C.udpBatchDatagrams * C.udpSlotBytes);
  const records = Buffer.alloc(C.udpBatchDatagrams * C.recordBytes);
  return addon.udpOpen(family, 0, 0, buffer, records, onDatagrams);
}

function tun(name, onPackets, onClosed) {
  const buffer = Buffer.allocUnsafeSlow(4 * 65536);
  return addon.tunOpen(name, buffer, new Uint32Array(128), onPackets, nothing, onClosed);
}

function pathTo(socket) {
  const path = Buffer.alloc(C.pathBytes);
  path[C.pathFamily] = 4;
  new Uint16Array(path.buffer, path.byteOffset + C.pathPort, 1)[0] = addon.udpPort(socket);
  path.set([127, 0, 0, 1], C.pathRemote);
  return path;
}

async function useAndEnd() {
  // Closed from its own callback, twice, and used after it.
  const sender = udp(4, nothing);
  await new Promise((resolve) => {
    const receiver = udp(4, () => {
      addon.udpClose(receiver);
      addon.udpClose(receiver);
      resolve();
    });
    addon.udpSend(sender, Buffer.from('x'), pathTo(receiver), 0);
  });
  const closed = udp(4, nothing);
  const path = pathTo(closed);
  addon.udpClose(closed);
  if (addon.udpSend(closed, Buffer.from('x'), path, 0) === 0) throw new Error('sent when closed');
  addon.udpClose(sender);
  // A handle of another kind is refused.
  for (const wrong of [sender, {}, null, 7]) {
    try {
      addon.tunName(wrong);
    } catch (error) {
      if (error instanceof TypeError) continue;
    }
    throw new Error('a wrong handle was taken');
  }
  for (let i = 0; i < 50; i++) udp(4, nothing);
  if (withTun === 'tun') {
    for (let i = 0; i < 20; i++) tun(`life${i}`, nothing, nothing);
    const named = tun('life-closed', nothing, nothing);
    addon.tunClose(named);
    addon.tunClose(named);
    if (addon.tunLink(named) >= 0) throw new Error('a closed TUN has a link');
  }
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await pause(10);
  }
}

async function main() {
  await useAndEnd();
  // Workers that end with devices open, by themselves or from outside.
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(__filename, { workerData: [file, withTun, i] });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    if (i % 2 === 0) await worker.terminate();
    else await new Promise((resolve) => worker.once('exit', resolve));
  }
  console.log('addon lifetimes ... ok');
  // Everything that is open ends with the process.
  udp(4, nothing);
  process.exit(0);
}

async function inWorker() {
  await useAndEnd();
  const kept = [udp(4, nothing)];
  if (withTun === 'tun') kept.push(tun(`worker${workerData[2]}`, nothing, nothing));
  const { parentPort } = require('node:worker_threads');
  parentPort.postMessage('open');
  if (workerData[2] % 2 === 1) setTimeout(() => process.exit(0), 20);
  else setInterval(() => kept.length, 1000);
}

void (isMainThread ? main() : inWorker());
