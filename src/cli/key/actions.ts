// What `beam key` and `beam backup` can do, for its parser and for completion. SPEC.md 10.17.

export const KEY_ACTIONS = [
  'init',
  'show',
  'list',
  'rotate',
  'adopt',
  'recover',
  'destroy',
] as const;
export const BACKUP_ACTIONS = ['create', 'verify', 'recipient'] as const;
export type BackupAction = (typeof BACKUP_ACTIONS)[number];
export type KeyAction = (typeof KEY_ACTIONS)[number];
