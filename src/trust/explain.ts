// An evaluation as lines that a person checks with a pocket calculator. SPEC.md 12.5.
import type { Basis, Evaluation, IndirectFinding, Voice, VoicePart } from './evaluation.js';
import { NEUTRAL, type Did } from './opinion.js';

export interface ExplainOptions {
  /** How an identity is shown. */
  readonly name: (did: Did) => string;
  /** Lines about paths; the rest is summed up in one. */
  readonly maxPaths: number;
}

export function explain(evaluation: Evaluation, options: ExplainOptions): string[] {
  const { peer, evaluator, context, direct, indirect, reputation, policy, score } = evaluation;
  const { weights, threshold } = policy;
  const { name } = options;
  const indirectValue = indirect.kind === 'known' ? indirect.value : NEUTRAL;
  const terms = [
    `${shown(weights.direct)} x ${shown(direct ?? NEUTRAL)}`,
    `${shown(weights.indirect)} x ${shown(indirectValue)}`,
    `${shown(weights.reputation)} x ${shown(reputation ?? NEUTRAL)}`,
  ];
  return [
    `${name(peer)} as ${name(evaluator)} sees it, context ${context}`,
    direct === null
      ? 'direct      0.5     nothing was said directly'
      : `direct      ${padded(direct)} said directly`,
    `indirect    ${padded(indirectValue)} ${reasonOf(indirect)}`,
    ...basisLines(indirect.basis, options).map((line) => `  ${line}`),
    reputation === null
      ? 'reputation  0.5     nothing was seen'
      : `reputation  ${padded(reputation)} seen and reported`,
    `score       ${terms.join(' + ')} = ${shown(score)}`,
    ...(evaluation.revoked ? ['revoked     nothing admits this key'] : []),
    evaluation.admitted
      ? `admitted    ${shown(score)} is at least ${shown(threshold)}`
      : evaluation.revoked
        ? 'not admitted'
        : `not admitted: ${shown(score)} is below ${shown(threshold)}`,
  ];
}

const shown = (value: number): string => String(Math.round(value * 1e4) / 1e4);
const padded = (value: number): string => shown(value).padEnd(7);

function reasonOf(finding: IndirectFinding): string {
  if (finding.kind === 'unknown') {
    return finding.reason === 'nobodySpoke'
      ? 'nobody who is trusted has spoken'
      : 'only one introduction, and without a direct statement it takes two';
  }
  if (finding.limited) return 'distrust, and only one introduction: at most 0.5';
  const { basis } = finding;
  if (basis.estimator === 'literalMean') {
    const sum = basis.paths.reduce((total, { product }) => total + product, 0);
    return `mean over ${basis.paths.length} paths: ${shown(sum)} / ${basis.paths.length}`;
  }
  const parts = basis.voices.flatMap((voice) => voice.parts);
  const sum = parts.reduce((total, { taken, level }) => total + taken * level, 0);
  const weight = parts.reduce((total, { taken }) => total + taken, 0);
  return `mean of ${basis.voices.length} introducers: ${shown(sum)} / ${shown(weight)}`;
}

function basisLines(basis: Basis, { name, maxPaths }: ExplainOptions): string[] {
  const lines =
    basis.estimator === 'introductions'
      ? basis.voices.flatMap((voice) => voiceLines(voice, name))
      : basis.paths.map(
          ({ over, levels, product }) =>
            `over ${over.map(name).join(', ')}: ${levels.map(shown).join(' x ')} = ${shown(product)}`,
        );
  if (lines.length <= maxPaths) return lines;
  return [...lines.slice(0, maxPaths), `and ${lines.length - maxPaths} more lines`];
}

function voiceLines(voice: Voice, name: (did: Did) => string): string[] {
  const { introducer, level, credit, strength, parts } = voice;
  if (parts.length === 0) return [];
  return [
    `${name(introducer)}: voice ${shown(level)} x credit ${shown(credit)} = ${shown(strength)}`,
    ...parts.map((part) => `  ${partLine(part, strength, name)}`),
  ];
}

function partLine(part: VoicePart, strength: number, name: (did: Did) => string): string {
  const { recommender, recommenderLevel, level, share, taken } = part;
  const who = recommender === null ? 'says himself' : `brings ${name(recommender)}, who says`;
  const ratio = strength === 0 ? 0 : share / strength / recommenderLevel;
  const known = recommender === null ? '' : ` x ${shown(recommenderLevel)}`;
  const full = taken < share ? `, of which ${shown(taken)} was left` : '';
  return `${who} ${shown(level)}: part ${shown(ratio)} x ${shown(strength)}${known} = ${shown(share)}${full}`;
}
