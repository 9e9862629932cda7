// `beam strip`: what is left of a file for `wg setconf`. SPEC.md 7.5.
import { configLine } from './lines.js';
import type { ConfigLine } from './lines.js';
import { findKey, findSection, SCHEMA } from './schema.js';
import type { SectionName } from './schema.js';

/** Keeps everything that `wg` reads, and comments, as it stands. Holds keys in the clear. */
export function stripConfig(text: string): string {
  let section: SectionName | null = null;
  const kept = text.split('\n').filter((raw) => {
    const line = configLine(raw);
    if (line.kind === 'section' && !line.marked) section = findSection(line.name);
    return isForWg(line, section);
  });
  return kept.join('\n');
}

function isForWg(line: ConfigLine, section: SectionName | null): boolean {
  if (line.kind === 'blank' || line.kind === 'comment') return true;
  // Marked lines are comments to wg.
  if (line.kind !== 'malformed' && line.marked) return true;
  if (section === 'Beam') return false;
  if (line.kind !== 'setting' || section === null) return true;
  const spec = findKey<{ name: string; reader: string }>(SCHEMA[section], line.key);
  if (spec === null) return true;
  return spec.reader === 'wg' && (line.value !== '' || spec.name !== 'AllowedIPs');
}
