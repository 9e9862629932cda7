// Loads native/tpm (beam_tpm) and holds it against what TypeScript was written for. Without a build,
// without libtss2 or with one that doesn't fit, the answer is a reason. SPEC.md 10.21.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { addonFiles } from '../addon.js';

declare const connectionBrand: unique symbol;
export type NativeConnection = object & { readonly [connectionBrand]: true };

/** `code` 0 and an answer, or a TSS2_RC with the step that failed and its meaning. */
type Done = (code: number, step: string, meaning: string, answer: Uint8Array | null) => void;

/** native/tpm/binding.cc. Throws a TypeError for wrong arguments and for two calls at once. */
export interface TpmAddon {
  readonly abi: number;
  readonly frameBytes: number;
  readonly commands: readonly string[];
  /** Why there is no TPM here; empty if libtss2 could be opened. */
  unavailable(): string;
  /** The connection serves after `done` was told of no failure. */
  open(tcti: string, done: Done): NativeConnection;
  run(connection: NativeConnection, command: CommandName, request: Uint8Array, done: Done): void;
  close(connection: NativeConnection, done: Done): void;
}

export const TPM_ABI = 1;
/** The largest request or answer. */
export const FRAME_BYTES = 8192;
export const COMMAND_NAMES = [
  'capability',
  'readPublic',
  'flush',
  'createPrimary',
  'create',
  'sign',
  'unseal',
  'pcrRead',
  'pcrExtend',
  'quote',
  'activateCredential',
  'nvDefine',
  'nvReadPublic',
  'nvRead',
  'nvIncrement',
  'nvUndefine',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export type TpmAddonLoad =
  | { readonly addon: TpmAddon; readonly file: string }
  | { readonly addon: null; readonly reason: string };

let loaded: TpmAddonLoad | null = null;

/** The addon, or why there is none. Tried once. */
export function loadTpmAddon(): TpmAddonLoad {
  loaded ??= loadFrom(addonFiles('beam_tpm'));
  return loaded;
}

/** Exported for tests: the first file that exists decides. */
export function loadFrom(files: readonly string[]): TpmAddonLoad {
  const file = files.find((candidate) => existsSync(candidate));
  if (file === undefined) return { addon: null, reason: 'native/beam_tpm is not built' };
  // tpm2-tss prints every failure to standard error; ours are told in words of our own.
  process.env['TSS2_LOG'] ??= 'all+NONE';
  try {
    const addon = createRequire(import.meta.url)(file) as TpmAddon;
    const reason = unfit(addon);
    return reason === null ? { addon, file } : { addon: null, reason: `${file}: ${reason}` };
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : 'unknown';
    return { addon: null, reason: `${file}: ${text}` };
  }
}

/** Exported for tests: what differs from this Beam, or is missing on this machine; else null. */
export function unfit(addon: TpmAddon): string | null {
  const missing = addon.unavailable();
  if (missing !== '') return missing;
  if (addon.abi !== TPM_ABI) return `ABI ${addon.abi}, this Beam needs ${TPM_ABI}`;
  if (addon.frameBytes !== FRAME_BYTES) {
    return `frames of ${addon.frameBytes} bytes, this Beam needs ${FRAME_BYTES}`;
  }
  const [ours, theirs] = [COMMAND_NAMES, addon.commands].map((names) => [...names].sort().join());
  return ours === theirs ? null : 'other commands than this Beam needs';
}
