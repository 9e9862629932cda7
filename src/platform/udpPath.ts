// Paths between text and the fixed records that the addon reads and writes (native/sys/udp.h).
import { endianness } from 'node:os';
import { formatAddress, parseAddress, type IpFamily } from '../base/ip.js';
import { assert } from '../base/assert.js';
import type { LocalAddress, Path } from '../ports/udp.js';
import { IO_CONSTANTS } from './addon.js';

/** Sources seen lately. When as many others came by, all are forgotten: only sharing is lost. */
const MAX_INTERNED_PATHS = 4096;

const C = IO_CONSTANTS;
const isLittleEndian = endianness() === 'LE';

/** Turns received records into paths: the same object for the same bytes, text made once. */
export class PathReader {
  readonly #paths = new Map<string, Path>();

  /** `records` holds a path record from `start`. */
  read(records: Buffer, start: number): Path {
    const key = records.toString('latin1', start, start + C.pathRouteCheckedS);
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    if (this.#paths.size >= MAX_INTERNED_PATHS) this.#paths.clear();
    const path = decodePath(records, start);
    this.#paths.set(key, path);
    return path;
  }
}

export function decodePath(records: Buffer, start: number): Path {
  const family: IpFamily = records[start + C.pathFamily] === 4 ? 4 : 6;
  const text = (offset: number): string => {
    const at = start + offset;
    return formatAddress({ family, bytes: records.subarray(at, at + (family === 4 ? 4 : 16)) });
  };
  return {
    remote: {
      family,
      address: text(C.pathRemote),
      port: readU16(records, start + C.pathPort),
      scopeId: readU32(records, start + C.pathScopeId),
    },
    local:
      records[start + C.pathHasLocal] === 0
        ? null
        : {
            address: text(C.pathLocal),
            interfaceIndex: readU32(records, start + C.pathInterfaceIndex),
          },
  };
}

/** Writes paths for the addon, once for each object. */
export class PathWriter {
  readonly #records = new WeakMap<Path, Buffer>();

  /** The addon keeps in it when it last checked the route: the same path gives the same buffer. */
  record(path: Path): Buffer {
    let record = this.#records.get(path);
    if (record === undefined) {
      record = encodePath(path);
      this.#records.set(path, record);
    }
    return record;
  }
}

export function encodePath(path: Path): Buffer {
  const { remote, local } = path;
  const record = Buffer.alloc(C.pathBytes);
  record[C.pathFamily] = remote.family;
  writeU16(record, C.pathPort, remote.port);
  writeU32(record, C.pathScopeId, remote.scopeId);
  record.set(addressBytes(remote.address, remote.family), C.pathRemote);
  if (local !== null) encodeLocal(record, local, remote.family);
  return record;
}

function encodeLocal(record: Buffer, local: LocalAddress, family: IpFamily): void {
  record[C.pathHasLocal] = 1;
  record.set(addressBytes(local.address, family), C.pathLocal);
  writeU32(record, C.pathInterfaceIndex, local.interfaceIndex);
}

function addressBytes(text: string, family: IpFamily): Uint8Array {
  const address = parseAddress(text);
  assert(address?.family === family, `a path's addresses are IPv${family} text`);
  return address.bytes;
}

// The addon writes in the machine's own order.
export const readU32 = (bytes: Buffer, at: number): number =>
  isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
const readU16 = (bytes: Buffer, at: number): number =>
  isLittleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
const writeU32 = (bytes: Buffer, at: number, value: number): number =>
  isLittleEndian ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at);
const writeU16 = (bytes: Buffer, at: number, value: number): number =>
  isLittleEndian ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at);
