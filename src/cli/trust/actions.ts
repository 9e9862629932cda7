// What `beam trust` can do, for its parser and for completion. SPEC.md 12.12.

export const TRUST_ACTIONS = [
  'list',
  'add',
  'remove',
  'explain',
  'graph',
  'export',
  'import',
  'revoke',
] as const;
export type TrustAction = (typeof TRUST_ACTIONS)[number];
