// Which hook commands a reload runs. SPEC.md 8.8.
import type { HookName } from '../../platform/network/hooks.js';

export interface HookLine {
  readonly name: HookName;
  readonly command: string;
}

export type HookTable = Readonly<Record<HookName, readonly string[]>>;

/**
 * Nothing if the up hooks are the same; else the down hooks that are gone, then the up hooks that
 * are new.
 */
export function hookTransition(before: HookTable, after: HookTable): HookLine[] {
  const newLines = (name: HookName): HookLine[] => difference(after[name], before[name], name);
  const goneLines = (name: HookName): HookLine[] => difference(before[name], after[name], name);
  const upHooksAreSame =
    sameLines(before.PreUp, after.PreUp) && sameLines(before.PostUp, after.PostUp);
  if (upHooksAreSame) return [];
  return [
    ...goneLines('PreDown'),
    ...goneLines('PostDown'),
    ...newLines('PreUp'),
    ...newLines('PostUp'),
  ];
}

const sameLines = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((line, i) => line === b[i]);

const difference = (a: readonly string[], b: readonly string[], name: HookName): HookLine[] =>
  a.filter((command) => !b.includes(command)).map((command) => ({ name, command }));
