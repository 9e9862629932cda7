// One configuration file: text in, a checked configuration or all of its errors out. SPEC.md 7.
import { assertNever } from '../../base/assert.js';
import type { OperatorError } from '../../base/errors.js';
import type { TunnelConfig } from '../tunnelConfig.js';
import { assemble, destroyDrafts } from './assemble.js';
import type { FileDraft } from './assemble.js';
import { CommentNames } from './commentNames.js';
import { beamDraft, interfaceDraft, peerDraft } from './drafts.js';
import type { PeerDraft } from './drafts.js';
import { Findings } from './findings.js';
import type { ConfigNotice, Problem, Report } from './findings.js';
import { configLines } from './lines.js';
import type { ConfigLine } from './lines.js';
import { findKey, findSection, isForOthers, SCHEMA } from './schema.js';
import type { KeySpec, SectionName } from './schema.js';
import { unknownKey, unknownSection } from './unknownNames.js';

export type ParsedConfig =
  /** Whoever parsed owns the secrets: `destroyTunnelConfig`. */
  | {
      readonly kind: 'config';
      readonly config: TunnelConfig;
      readonly notices: readonly ConfigNotice[];
    }
  /** All errors, in the order of their lines; at least one. */
  | { readonly kind: 'refused'; readonly errors: readonly OperatorError[] };

export interface ConfigSource {
  /** How errors name the file. */
  readonly file: string;
  /** The interface's name; null if the text has none. */
  readonly name: string | null;
}

/** Characters; the platform holds the file to as many bytes. */
export const MAX_CONFIG_CHARACTERS = 16 * 1024 * 1024;

export function parseTunnelConfig(text: string, source: ConfigSource): ParsedConfig {
  const findings = new Findings(source.file);
  if (text.length > MAX_CONFIG_CHARACTERS) {
    findings.at(0).problem(TOO_LARGE);
    return { kind: 'refused', errors: findings.errors() };
  }
  const reader = new FileReader(findings);
  for (const line of configLines(text)) reader.line(line);
  const config = assemble(reader.finish(), source, findings);
  if (config !== null) return { kind: 'config', config, notices: findings.notices() };
  destroyDrafts(reader.finish());
  return { kind: 'refused', errors: findings.errors() };
}

/** The section that a setting belongs to; `unknown` was reported already and takes everything. */
type Section =
  | { readonly kind: 'Interface' | 'Beam' | 'unknown' }
  | { readonly kind: 'Peer'; readonly peer: PeerDraft };

type Setting = Extract<ConfigLine, { kind: 'setting' }>;

class FileReader {
  readonly #findings: Findings;
  readonly #draft: FileDraft = {
    interface: interfaceDraft(),
    beam: beamDraft(),
    peers: [],
    hasInterface: false,
    beamOnlyLine: null,
  };
  readonly #names = new CommentNames();
  #lineNumber = 0;
  #section: Section | null = null;
  /** Holds for marked lines alone (SPEC.md 7.3). */
  #markedSection: Section | null = null;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  finish(): FileDraft {
    this.#names.end();
    return this.#draft;
  }

  line(line: ConfigLine): void {
    this.#lineNumber++;
    switch (line.kind) {
      case 'blank':
        this.#names.blank();
        break;
      case 'comment':
        this.#names.comment(line.text);
        break;
      case 'malformed':
        this.#names.setting();
        this.#report().problem(malformed(line.why));
        break;
      case 'section':
        if (line.marked) this.#beginMarked(line.name);
        else this.#begin(line.name);
        break;
      case 'setting':
        this.#names.setting();
        this.#setting(line);
        break;
      default:
        assertNever(line);
    }
  }

  #report(): Report {
    return this.#findings.at(this.#lineNumber);
  }

  #begin(name: string): void {
    this.#markedSection = null;
    this.#section = this.#open(findSection(name));
    if (this.#section.kind === 'unknown') this.#report().problem(unknownSection(name));
    if (this.#section.kind === 'Beam') this.#draft.beamOnlyLine ??= this.#lineNumber;
    this.#names.section(this.#section.kind === 'Peer' ? this.#section.peer : null);
  }

  #open(name: SectionName | null): Section {
    if (name === 'Interface') this.#draft.hasInterface = true;
    if (name !== 'Peer') return { kind: name ?? 'unknown' };
    const peer = peerDraft(this.#lineNumber);
    this.#draft.peers.push(peer);
    return { kind: 'Peer', peer };
  }

  #beginMarked(name: string): void {
    this.#names.setting();
    const section = findSection(name);
    this.#markedSection = { kind: section === 'Beam' ? 'Beam' : 'unknown' };
    if (section === null) this.#report().problem(unknownSection(name));
    else if (section !== 'Beam') this.#report().problem(markedForOthers(`[${section}]`));
  }

  #setting(line: Setting): void {
    const section = line.marked ? (this.#markedSection ?? this.#section) : this.#section;
    if (section === null) {
      this.#report().problem(settingOutside(line.marked));
      return;
    }
    switch (section.kind) {
      case 'unknown':
        break;
      case 'Interface':
        this.#read(line, section.kind, SCHEMA.Interface, this.#draft.interface);
        break;
      case 'Beam':
        this.#read(line, section.kind, SCHEMA.Beam, this.#draft.beam);
        break;
      case 'Peer':
        this.#read(line, section.kind, SCHEMA.Peer, section.peer);
        break;
      default:
        assertNever(section);
    }
  }

  #read<Draft extends { readonly lines: Map<string, number> }>(
    line: Setting,
    section: SectionName,
    keys: readonly KeySpec<Draft>[],
    draft: Draft,
  ): void {
    const report = this.#report();
    if (line.marked && isForOthers(line.key)) {
      report.problem(markedForOthers(line.key));
      return;
    }
    const spec = findKey(keys, line.key);
    if (spec === null) {
      report.problem(unknownKey(line.key, section));
      return;
    }
    if (!line.marked && spec.reader === 'beam') this.#draft.beamOnlyLine ??= this.#lineNumber;
    const first = draft.lines.get(spec.name);
    if (first === undefined) draft.lines.set(spec.name, this.#lineNumber);
    else if (!spec.collects) {
      report.notice('W_CONFIG_REPEATED', `${spec.name} is in line ${first} too: this one counts`);
    }
    if (line.value === '' && !spec.mayBeEmpty) report.problem(empty(spec.name));
    else spec.read(draft, line.value, report);
  }
}

const TOO_LARGE: Problem = {
  code: 'E_CONFIG_SIZE',
  expected: `at most ${MAX_CONFIG_CHARACTERS} characters`,
  found: 'more',
  remedy: 'check that this is a configuration file',
};

const malformed = (why: string): Problem => ({
  code: 'E_CONFIG_SYNTAX',
  expected: 'a [Section], a Setting = value, or a # comment',
  found: why,
  remedy: 'write one setting a line, as Setting = value',
});

const empty = (name: string): Problem => ({
  code: 'E_CONFIG_EMPTY',
  expected: `a value for ${name}`,
  found: 'nothing',
  remedy: 'give it a value, or remove the line',
});

const settingOutside = (marked: boolean): Problem => ({
  code: 'E_CONFIG_SECTION',
  expected: 'a section before the first setting',
  found: 'a setting',
  remedy: marked ? 'put "#: [Beam]" above it' : 'put [Interface] above it',
});

const markedForOthers = (what: string): Problem => ({
  code: what.startsWith('[') ? 'E_CONFIG_SECTION' : 'E_CONFIG_KEY',
  expected: "Beam's own settings behind #:",
  found: what,
  remedy: 'take the #: away, so that wg and wg-quick read the line too',
});
