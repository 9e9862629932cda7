// What `beam key` can do, for its parser and for completion. SPEC.md 10.17.

export const KEY_ACTIONS = [
  'init',
  'show',
  'list',
  'rotate',
  'adopt',
  'recover',
  'destroy',
] as const;
export type KeyAction = (typeof KEY_ACTIONS)[number];
