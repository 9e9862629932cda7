// Noise's handshake patterns as data (SPEC.md 3.7; Noise revision 34, sections 7, 9 and 18), and
// the modifiers that rewrite them.
import { assert } from '../../base/assert.js';

export type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk' | 'e1' | 'ekem1';

export interface MessagePattern {
  readonly from: 'initiator' | 'responder';
  readonly tokens: readonly Token[];
}

export interface HandshakePattern {
  /** Whose static keys are known before the first message, in the order they are hashed. */
  readonly knownStatics: readonly ('initiator' | 'responder')[];
  readonly messages: readonly MessagePattern[];
  /** Only the initiator sends after the handshake. */
  readonly oneWay: boolean;
}

/** In Noise's own notation, a message between bars; what stands before `...` is pre-message. */
const PATTERNS = {
  N: '<- s | ... | -> e, es',
  K: '-> s | <- s | ... | -> e, es, ss',
  X: '<- s | ... | -> e, es, s, ss',

  NN: '-> e | <- e, ee',
  NK: '<- s | ... | -> e, es | <- e, ee',
  NX: '-> e | <- e, ee, s, es',
  XN: '-> e | <- e, ee | -> s, se',
  XK: '<- s | ... | -> e, es | <- e, ee | -> s, se',
  XX: '-> e | <- e, ee, s, es | -> s, se',
  KN: '-> s | ... | -> e | <- e, ee, se',
  KK: '-> s | <- s | ... | -> e, es, ss | <- e, ee, se',
  KX: '-> s | ... | -> e | <- e, ee, se, s, es',
  IN: '-> e, s | <- e, ee, se',
  IK: '<- s | ... | -> e, es, s, ss | <- e, ee, se',
  IX: '-> e, s | <- e, ee, se, s, es',

  NK1: '<- s | ... | -> e | <- e, ee, es',
  NX1: '-> e | <- e, ee, s | -> es',
  X1N: '-> e | <- e, ee | -> s | <- se',
  X1K: '<- s | ... | -> e, es | <- e, ee | -> s | <- se',
  XK1: '<- s | ... | -> e | <- e, ee, es | -> s, se',
  X1K1: '<- s | ... | -> e | <- e, ee, es | -> s | <- se',
  X1X: '-> e | <- e, ee, s, es | -> s | <- se',
  XX1: '-> e | <- e, ee, s | -> es, s, se',
  X1X1: '-> e | <- e, ee, s | -> es, s | <- se',
  K1N: '-> s | ... | -> e | <- e, ee | -> se',
  K1K: '-> s | <- s | ... | -> e, es | <- e, ee | -> se',
  KK1: '-> s | <- s | ... | -> e | <- e, ee, se, es',
  K1K1: '-> s | <- s | ... | -> e | <- e, ee, es | -> se',
  K1X: '-> s | ... | -> e | <- e, ee, s, es | -> se',
  KX1: '-> s | ... | -> e | <- e, ee, se, s | -> es',
  K1X1: '-> s | ... | -> e | <- e, ee, s | -> se, es',
  I1N: '-> e, s | <- e, ee | -> se',
  I1K: '<- s | ... | -> e, es, s | <- e, ee | -> se',
  IK1: '<- s | ... | -> e, s | <- e, ee, se, es',
  I1K1: '<- s | ... | -> e, s | <- e, ee, es | -> se',
  I1X: '-> e, s | <- e, ee, s, es | -> se',
  IX1: '-> e, s | <- e, ee, se, s | -> es',
  I1X1: '-> e, s | <- e, ee, s | -> se, es',
} as const;

export type PatternName = keyof typeof PATTERNS;

/** `psk0` to `psk3`, or `hfs`. */
export type Modifier = `psk${0 | 1 | 2 | 3}` | 'hfs';

export const isPatternName = (text: string): text is PatternName => Object.hasOwn(PATTERNS, text);

export const isModifier = (text: string): text is Modifier =>
  /^psk[0-3]$/.test(text) || text === 'hfs';

/** The pattern with its modifiers applied; null where a modifier has no place in it. */
export function handshakePattern(
  name: PatternName,
  modifiers: readonly Modifier[],
): HandshakePattern | null {
  let pattern = parse(PATTERNS[name]);
  for (const modifier of modifiers) {
    const next =
      modifier === 'hfs' ? withHfs(pattern) : withPsk(pattern, Number(modifier.slice(-1)));
    if (next === null) return null;
    pattern = next;
  }
  return pattern;
}

function parse(text: string): HandshakePattern {
  const lines = text.split(' | ').map(parseLine);
  const ellipsis = lines.indexOf(null);
  const messages = lines.slice(ellipsis + 1).filter((line) => line !== null);
  const before = lines.slice(0, Math.max(0, ellipsis)).filter((line) => line !== null);
  return {
    knownStatics: before.map((line) => line.from),
    messages,
    oneWay: messages.length === 1,
  };
}

function parseLine(line: string): MessagePattern | null {
  if (line === '...') return null;
  const [arrow, tokens] = [line.slice(0, 2), line.slice(3)];
  assert(arrow === '->' || arrow === '<-', 'a message pattern starts with an arrow');
  return {
    from: arrow === '->' ? 'initiator' : 'responder',
    tokens: tokens.split(', ') as Token[],
  };
}

/** Noise section 9.4: psk0 opens the first message, pskN closes message N. */
function withPsk(pattern: HandshakePattern, place: number): HandshakePattern | null {
  const index = Math.max(0, place - 1);
  if (index >= pattern.messages.length) return null;
  return rewrite(pattern, index, (tokens) =>
    place === 0 ? ['psk', ...tokens] : [...tokens, 'psk'],
  );
}

/** draft noise-hfs: e1 behind the initiator's first e, ekem1 behind the ee that answers it. */
function withHfs(pattern: HandshakePattern): HandshakePattern | null {
  const first = pattern.messages.findIndex((message) => message.tokens.includes('e'));
  const second = pattern.messages.findIndex((message) => message.tokens.includes('ee'));
  if (first < 0 || second <= first) return null;
  const offered = rewrite(pattern, first, (tokens) => insertBehind(tokens, 'e', 'e1'));
  return rewrite(offered, second, (tokens) => insertBehind(tokens, 'ee', 'ekem1'));
}

const insertBehind = (tokens: readonly Token[], place: Token, token: Token): readonly Token[] =>
  tokens.flatMap((existing) => (existing === place ? [existing, token] : [existing]));

function rewrite(
  pattern: HandshakePattern,
  index: number,
  change: (tokens: readonly Token[]) => readonly Token[],
): HandshakePattern {
  return {
    ...pattern,
    messages: pattern.messages.map((message, i) =>
      i === index ? { ...message, tokens: change(message.tokens) } : message,
    ),
  };
}
