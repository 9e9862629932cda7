// A difference for people, a line or more a change, and as JSON. SPEC.md 7.5.
import { toBase64 } from '../../base/bytes.js';
import type { PeerConfig } from '../tunnelConfig.js';
import type { ConfigChange, ConfigDiff, FieldChange } from './configDiff.js';
import { needsRestart } from './configDiff.js';

/** One line a change. No secret is in it. */
export const formatDiff = (diff: ConfigDiff): string[] => diff.changes.flatMap(changeLines);

function changeLines(change: ConfigChange): string[] {
  switch (change.kind) {
    case 'peerAdded':
      return [`${peerLabel(change.peer)}: added`];
    case 'peerRemoved':
      return [`${peerLabel(change.peer)}: removed`];
    case 'peerChanged':
      return change.changes.map((field) => `${peerLabel(change.wanted)}: ${fieldLine(field)}`);
    case 'setting':
    case 'list':
      return [`${fieldLine(change)}${needsRestart(change) ? ' (after a restart)' : ''}`];
  }
}

/** `alice (xTIB…p8Dg=)`: the name is the operator's, the key is what counts. */
function peerLabel({ name, publicKey }: PeerConfig): string {
  const key = toBase64(publicKey);
  const short = `${key.slice(0, 4)}…${key.slice(-5)}`;
  return name === null ? `peer ${short}` : `peer ${name} (${short})`;
}

/** Items that one line names; more are counted. */
const MAX_ITEMS = 8;

function fieldLine(change: FieldChange): string {
  if (change.kind === 'list') {
    const parts = [...items('-', change.removed), ...items('+', change.added)];
    return `${change.key}: ${parts.join(', ')}`;
  }
  const { key, from, to } = change;
  if (from === '(secret)' && to === '(secret)') return `${key}: changed`;
  if (isHook(key)) return `${key}: ${hookText(from)} -> ${hookText(to)}`;
  return `${key}: ${from === '' ? NOTHING : from} -> ${to === '' ? NOTHING : to}`;
}

const NOTHING = '(none)';

function items(sign: '+' | '-', list: readonly string[]): string[] {
  const more = list.length - MAX_ITEMS;
  const named = list.slice(0, MAX_ITEMS).map((item) => `${sign} ${item}`);
  return more > 0 ? [...named, `${sign} ${more} more`] : named;
}

const isHook = (key: string): boolean => /^(Pre|Post)(Up|Down)$/.test(key);

/** Several commands as one line. */
const hookText = (commands: string): string =>
  commands === '' ? NOTHING : commands.split('\n').join(' ; ');

export interface DiffJson {
  readonly needsRestart: boolean;
  readonly changes: readonly ChangeJson[];
}

export type ChangeJson =
  | FieldChange
  | {
      readonly kind: 'peerAdded' | 'peerRemoved';
      readonly publicKey: string;
      readonly name: string | null;
    }
  | {
      readonly kind: 'peerChanged';
      readonly publicKey: string;
      readonly name: string | null;
      readonly changes: readonly FieldChange[];
    };

export const diffToJson = (diff: ConfigDiff): DiffJson => ({
  needsRestart: diff.changes.some(needsRestart),
  changes: diff.changes.map(changeToJson),
});

function changeToJson(change: ConfigChange): ChangeJson {
  switch (change.kind) {
    case 'peerAdded':
    case 'peerRemoved':
      return { kind: change.kind, ...peerToJson(change.peer) };
    case 'peerChanged':
      return { kind: change.kind, ...peerToJson(change.wanted), changes: change.changes };
    case 'setting':
    case 'list':
      return change;
  }
}

const peerToJson = ({
  publicKey,
  name,
}: PeerConfig): { publicKey: string; name: string | null } => ({
  publicKey: toBase64(publicKey),
  name,
});
