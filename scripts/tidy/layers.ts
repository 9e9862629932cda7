// The layering that ARCHITECTURE.md draws, as data: which folder of src/ may import which, and which
// modules and globals a layer may touch. Read by test/tidy.test.ts.

/** Rows from the bottom up. A folder imports from lower rows and from itself. */
const LAYER_ROWS = [
  ['base'],
  ['ports'],
  ['wire', 'crypto'],
  ['identity'],
  ['handshake', 'session', 'keyStore', 'tpm', 'rotation'],
  ['trust', 'admission'],
  ['peer', 'config'],
  ['dataPlane'],
  ['platform'],
  ['agent'],
  ['cli'],
] as const;

/** Imports between two folders of one row, each with its reason. */
export const SAME_ROW_IMPORTS: readonly { from: string; to: string; why: string }[] = [
  {
    from: 'admission',
    to: 'trust',
    why: 'admission decides by what trust has evaluated',
  },
  {
    from: 'config',
    to: 'peer',
    why: 'a parsed file or UAPI request is a DeviceChange, whose type is the device machine’s own',
  },
];

/** 0 for the lowest row; null for a folder that has no place in the picture. */
export function layerRow(folder: string): number | null {
  const row = LAYER_ROWS.findIndex((folders) => (folders as readonly string[]).includes(folder));
  return row < 0 ? null : row;
}

const PLATFORM_ROW = layerRow('platform')!;

/** Layers below the adapters are told the time and given randomness; they touch nothing. */
export function isPure(folder: string): boolean {
  const row = layerRow(folder);
  return row !== null && row < PLATFORM_ROW;
}

/** Modules of Node.js that do I/O, and the folders that may import them. */
const IO_MODULES = new Set([
  'node:child_process',
  'node:cluster',
  'node:dgram',
  'node:dns',
  'node:fs',
  'node:http',
  'node:https',
  'node:http2',
  'node:net',
  'node:readline',
  'node:repl',
  'node:timers',
  'node:tls',
  'node:worker_threads',
]);
const IO_FOLDERS: readonly string[] = ['platform', 'cli'];

/** Names that a pure file may import from an I/O module all the same. */
const PURE_NAMES: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['isIP', 'isIPv4', 'isIPv6'],
};

/** Packages, and the folders that may import them. */
const PACKAGE_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  yargs: ['cli'],
  '@noble/ciphers': ['crypto'],
  '@noble/curves': ['crypto'],
  '@noble/hashes': ['crypto'],
  '@noble/post-quantum': ['crypto'],
  '@scure/bip39': ['crypto'],
  qr: ['cli'],
  'sodium-native': ['crypto', 'platform'],
  pkcs11js: ['platform'],
};

/** Null if `folder` may import `names` from the module; else why not. */
export function moduleBan(
  folder: string,
  specifier: string,
  names: readonly string[],
): string | null {
  const [first = '', second = ''] = specifier.split('/');
  if (first.startsWith('node:')) {
    if (!IO_MODULES.has(first) || IO_FOLDERS.includes(folder)) return null;
    const pureNames = PURE_NAMES[first] ?? [];
    if (names.length > 0 && names.every((name) => pureNames.includes(name))) return null;
    return `${specifier} is I/O: only ${IO_FOLDERS.join(' and ')} import it`;
  }
  const packageName = first.startsWith('@') ? `${first}/${second}` : first;
  const folders = PACKAGE_FOLDERS[packageName];
  if (folders === undefined) return `${packageName} has no entry in PACKAGE_FOLDERS`;
  if (folders.includes(folder)) return null;
  return `${packageName} is imported by ${folders.join(' and ')} only`;
}

/** Globals, as they are written at the call, that a pure layer does not touch. */
const AMBIENT_NAMES = new Set([
  'Date.now',
  'new Date',
  'performance.now',
  'process.hrtime',
  'process.hrtime.bigint',
  'process.env',
  'process.uptime',
  'Math.random',
  'crypto.getRandomValues',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'fetch',
]);

/** Null if `folder` may use the global; else why not. `name` is dotted, as written. */
export function globalBan(folder: string, name: string): string | null {
  if (name === 'process.exit' || name.startsWith('console.')) {
    return folder === 'cli' ? null : `${name} belongs to cli`;
  }
  if (!AMBIENT_NAMES.has(name) || !isPure(folder)) return null;
  return `${name}: time, randomness and environment are handed in below platform`;
}
