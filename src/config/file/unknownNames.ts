// What to say about a section or a setting that doesn't exist. SPEC.md 7.4.
import type { Problem } from './findings.js';
import { findKey, SCHEMA, SECTION_NAMES } from './schema.js';
import type { SectionName } from './schema.js';
import { nearest } from './similar.js';

export function unknownSection(name: string): Problem {
  const meant = nearest(name, SECTION_NAMES);
  return {
    code: 'E_CONFIG_SECTION',
    expected: '[Interface], [Peer] or [Beam]',
    found: `[${shownName(name, meant)}]`,
    remedy: meant === null ? 'remove the section' : `did you mean [${meant}]?`,
  };
}

export function unknownKey(name: string, section: SectionName): Problem {
  const here = SCHEMA[section].map((spec) => spec.name);
  const home = homeOf(name);
  const meant = nearest(name, here) ?? nearest(name, ALL_KEYS);
  return {
    code: 'E_CONFIG_KEY',
    expected: `a setting of [${section}]${meant === null ? `: ${here.join(', ')}` : ''}`,
    found: shownName(name, meant),
    remedy: home === null ? remedy(meant, here) : `move it to [${home}]`,
  };
}

const ALL_KEYS: readonly string[] = SECTION_NAMES.flatMap((section) =>
  SCHEMA[section].map((spec) => spec.name),
);

function remedy(meant: string | null, here: readonly string[]): string {
  if (meant === null) return 'remove the line';
  if (here.includes(meant)) return `did you mean ${meant}?`;
  return `did you mean ${meant}, which belongs to [${homeOf(meant)!}]?`;
}

/** The section that has this setting. */
const homeOf = (name: string): SectionName | null =>
  SECTION_NAMES.find((section) => findKey<{ name: string }>(SCHEMA[section], name)) ?? null;

/** A piece of a key may stand where a name should: only what resembles a name is shown. */
function shownName(name: string, meant: string | null): string {
  const word = /^[A-Za-z][A-Za-z0-9_-]*$/.test(name);
  if (word && (meant !== null || name.length <= 12)) return name;
  return name === '' ? 'no name' : `another name (${name.length} characters)`;
}
