// What an evaluation found, complete enough to be checked by hand. SPEC.md 12.1 and 12.5.
import type { Did } from './opinion.js';
import type { TrustPolicy } from './policy.js';

export interface Evaluation {
  readonly evaluator: Did;
  readonly peer: Did;
  readonly context: string;
  readonly policy: TrustPolicy;
  /** Null where nothing is known; then 0.5 goes into the sum. */
  readonly direct: number | null;
  readonly indirect: IndirectFinding;
  readonly reputation: number | null;
  readonly score: number;
  /** The key was revoked; then nothing admits it. */
  readonly revoked: boolean;
  readonly admitted: boolean;
}

export type IndirectFinding =
  /** `reason` says why nothing is known though somebody may have spoken. */
  | { readonly kind: 'unknown'; readonly reason: UnknownReason; readonly basis: Basis }
  | {
      readonly kind: 'known';
      readonly value: number;
      /** The mean was above 0.5, but trust takes two introductions and there was distrust. */
      readonly limited: boolean;
      readonly basis: Basis;
    };

export type UnknownReason = 'nobodySpoke' | 'oneIntroductionOnly';

export type Basis =
  | { readonly estimator: 'introductions'; readonly voices: readonly Voice[] }
  | { readonly estimator: 'literalMean'; readonly paths: readonly LiteralPath[] };

/** What one introducer says, himself and through those he brings. */
export interface Voice {
  readonly introducer: Did;
  /** The evaluator's level for him. */
  readonly level: number;
  readonly credit: number;
  /** `level × credit`. */
  readonly strength: number;
  /** His own word first, then whom he brings, from the highest level downwards. */
  readonly parts: readonly VoicePart[];
}

export interface VoicePart {
  /** Null if the introducer speaks himself. */
  readonly recommender: Did | null;
  /** The introducer's level for the recommender; 1 for himself. */
  readonly recommenderLevel: number;
  /** The speaker's level for the peer. */
  readonly level: number;
  /** How much of the voice it may take, and how much it took. */
  readonly share: number;
  readonly taken: number;
}

/** Two or three statements. */
export interface LiteralPath {
  readonly over: readonly Did[];
  readonly levels: readonly number[];
  readonly product: number;
}
