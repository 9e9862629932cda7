// The state file: names at every moment at least all that a tunnel has added to the system, so that
// it can be taken back after a crash. SPEC.md 8.6.
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperatorError } from '../../base/errors.js';
import { itemKey, type NetworkItem } from './networkItem.js';

export const STATE_FOLDER = '/run/beam';

export interface TunnelState {
  readonly version: 1;
  readonly interfaceName: string;
  readonly bootId: string;
  /** Inode number of the network namespace. */
  readonly namespace: string;
  readonly owner: ProcessIdentity;
  /** The interface as it was found; null before it is there. */
  readonly link: LinkBefore | null;
  /** Commands, `%i` replaced, that undo what up hooks have done; null before any has run. */
  readonly postDown: readonly string[] | null;
  readonly items: readonly NetworkItem[];
}

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (proc(5), stat, field 22): tells a process from a later one of its pid. */
  readonly startTicks: string;
}

export interface LinkBefore {
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
}

export const stateFile = (folder: string, interfaceName: string): string =>
  join(folder, `${interfaceName}.state.json`);

/** Keeps one tunnel's state file. Calls must not overlap. */
export class Journal {
  readonly #file: string;
  #state: TunnelState;

  private constructor(file: string, state: TunnelState) {
    this.#file = file;
    this.#state = state;
  }

  /** Starts a new file. The caller has recovered what an old one said. */
  static async create(folder: string, interfaceName: string): Promise<Journal> {
    const state: TunnelState = {
      version: 1,
      interfaceName,
      bootId: bootId(),
      namespace: networkNamespace(),
      owner: processIdentity(process.pid) ?? { pid: process.pid, startTicks: '0' },
      link: null,
      postDown: null,
      items: [],
    };
    const journal = new Journal(stateFile(folder, interfaceName), state);
    await journal.#write(state);
    return journal;
  }

  /** Goes on with a file that was read. */
  static resume(folder: string, state: TunnelState): Journal {
    return new Journal(stateFile(folder, state.interfaceName), state);
  }

  get state(): TunnelState {
    return this.#state;
  }

  async setLink(link: LinkBefore): Promise<void> {
    await this.#write({ ...this.#state, link });
  }

  async setPostDown(postDown: readonly string[] | null): Promise<void> {
    await this.#write({ ...this.#state, postDown });
  }

  /** Before the item is added. One with the same key is replaced; routes join those of their table. */
  async include(item: NetworkItem): Promise<void> {
    const key = itemKey(item);
    const at = this.#state.items.findIndex((other) => itemKey(other) === key);
    const items = [...this.#state.items];
    if (at < 0) items.push(item);
    else items[at] = joined(items[at]!, item);
    await this.#write({ ...this.#state, items });
  }

  /** After the item was removed; of routes, only the given ones go. */
  async exclude(item: NetworkItem): Promise<void> {
    const key = itemKey(item);
    const items = this.#state.items.flatMap((other) =>
      itemKey(other) === key ? remaining(other, item) : [other],
    );
    await this.#write({ ...this.#state, items });
  }

  /** Everything has been taken back. */
  async remove(): Promise<void> {
    await unlink(this.#file).catch(ignoreMissing);
  }

  async #write(state: TunnelState): Promise<void> {
    const temporary = `${this.#file}.new`;
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
      await unlink(temporary).catch(ignoreMissing);
      await writeFile(temporary, JSON.stringify(state), { mode: 0o600, flag: 'wx' });
      await rename(temporary, this.#file);
    } catch (error) {
      throw unwritable(this.#file, error);
    }
    this.#state = state;
  }
}

function joined(old: NetworkItem, item: NetworkItem): NetworkItem {
  if (old.kind !== 'routes' || item.kind !== 'routes') return item;
  return { ...item, prefixes: [...new Set([...old.prefixes, ...item.prefixes])] };
}

function remaining(old: NetworkItem, item: NetworkItem): NetworkItem[] {
  if (old.kind !== 'routes' || item.kind !== 'routes') return [];
  const removed = new Set(item.prefixes);
  const prefixes = old.prefixes.filter((prefix) => !removed.has(prefix));
  return prefixes.length === 0 ? [] : [{ ...old, prefixes }];
}

/** What a state file says; null if there is none. Throws OperatorError E_STATE_FILE. */
export async function readState(
  folder: string,
  interfaceName: string,
): Promise<TunnelState | null> {
  const file = stateFile(folder, interfaceName);
  let text: string;
  try {
    const { uid, mode } = await stat(file);
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0)
      throw untrusted(file, `owner ${uid}, mode ${(mode & 0o777).toString(8)}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error instanceof OperatorError ? error : untrusted(file, String(error), error);
  }
  return parseState(file, text, interfaceName);
}

function parseState(file: string, text: string, interfaceName: string): TunnelState {
  let state: Partial<TunnelState> | null;
  try {
    state = JSON.parse(text) as Partial<TunnelState> | null;
  } catch (error) {
    throw untrusted(file, 'no JSON', error);
  }
  const valid =
    state?.version === 1 &&
    state.interfaceName === interfaceName &&
    typeof state.bootId === 'string' &&
    typeof state.namespace === 'string' &&
    typeof state.owner?.pid === 'number' &&
    Array.isArray(state.items);
  if (!valid) throw untrusted(file, 'another format');
  return state as TunnelState;
}

function untrusted(file: string, found: string, cause?: unknown): OperatorError {
  return new OperatorError(
    {
      code: 'E_STATE_FILE',
      place: file,
      expected:
        'a state file written by this version of Beam, owned by this user, writable by nobody else',
      found,
      remedy: `look at it, take back by hand what it lists (ip rule, nft, resolvconf), then delete it`,
    },
    { cause },
  );
}

function unwritable(file: string, cause: unknown): OperatorError {
  return new OperatorError(
    {
      code: 'E_STATE_FILE',
      place: file,
      expected: 'to write down what is about to be changed',
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: 'make the folder writable and free space on its file system',
    },
    { cause },
  );
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** The inode number in `net:[4026531840]`. */
export const networkNamespace = (): string =>
  /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? 'unknown';

/** Ended, and not yet asked for by its parent: nothing of it works any more. */
const DEAD_STATES = ['Z', 'X'];

/** null if there is no such process, or only what is left of it. */
export function processIdentity(pid: number): ProcessIdentity | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses; field 3 follows the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (DEAD_STATES.includes(fields[0] ?? '')) return null;
    return { pid, startTicks: fields[19] ?? '' };
  } catch {
    return null;
  }
}

export const isAlive = (owner: ProcessIdentity): boolean =>
  processIdentity(owner.pid)?.startTicks === owner.startTicks;
