// The formula and its constants. SPEC.md 12.1 and 12.3.

export type EstimatorName = 'introductions' | 'literalMean';

export interface TrustPolicy {
  readonly estimator: EstimatorName;
  readonly weights: {
    readonly direct: number;
    readonly indirect: number;
    readonly reputation: number;
  };
  /** The score from which a peer is admitted. */
  readonly threshold: number;
}

/** As specified, but for the estimator, which is the best one that was measured. */
export const DEFAULT_POLICY: TrustPolicy = {
  estimator: 'introductions',
  weights: { direct: 0.4, indirect: 0.4, reputation: 0.2 },
  threshold: 0.7,
};

/** Of a voice: what its owner's own word takes; the rest is the most that those he brings take, */
export const OWN_SHARE = 0.5;
/** and each of them at most this, times his level for him. Chosen by bench/trust. */
export const BROUGHT_SHARE = 0.1;

/** Credit of an introducer: what a fresh one has, and how much heavier an error weighs. */
export const CREDIT_PRIOR = 2;
export const CREDIT_WRONG = 2;
