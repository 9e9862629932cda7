// The system's side of one tunnel, as the lifecycle uses it: facts, judgement, changes that are
// written down, and recovery of what a crash left. SPEC.md 8.
import { OperatorError } from '../../base/errors.js';
import { sshSessions, type Session } from './callerSession.js';
import { findExecutable, runCommand, type CommandRunner } from './command.js';
import { collectFacts, type FactsRequest, type NetworkFacts } from './facts.js';
import { runHook, type Hook, type HookOutput } from './hooks.js';
import { IpTool } from './ipTool.js';
import {
  Journal,
  STATE_FOLDER,
  bootId,
  isAlive,
  networkNamespace,
  readState,
  stateFile,
  type TunnelState,
} from './journal.js';
import { judgeLockout, sessionFacts, type LayoutChange, type LockoutVerdict } from './lockout.js';
import type { Step } from './networkItem.js';
import { StepExecutor, type RemovalScope } from './stepExecutor.js';

export interface TunnelNetwork {
  /** Takes back what an earlier run left; true if there was something. Throws E_TUNNEL_UP. */
  recover(interfaceName: string, reporter: Reporter): Promise<boolean>;
  facts(request: FactsRequest): Promise<NetworkFacts>;
  judge(session: Session, change: LayoutChange): Promise<LockoutVerdict>;
  /** Clients of other SSH sessions that the change would cut off. */
  othersCut(change: LayoutChange, except: Session | null): Promise<string[]>;
  /** By which interface the kernel sends to the session's client now; null for none. */
  sessionDevice(session: Session): Promise<string | null>;
  /** Begins the state file of a tunnel. */
  begin(interfaceName: string, reporter: Reporter): Promise<NetworkChanges>;
  /** Throws OperatorError E_HOOK; `abort` ends it. */
  runHook(hook: Hook, abort?: AbortSignal): Promise<void>;
}

export interface Reporter {
  /** What is being done, as a person would type it. */
  progress(line: string): void;
  /** What a person should know. */
  warn(text: string): void;
}

/** What one tunnel has changed. Calls must not overlap. */
export interface NetworkChanges {
  /** Once the interface is there: notes how it was found. */
  attach(): Promise<void>;
  /** All or nothing; throws OperatorError. */
  execute(steps: readonly Step[]): Promise<void>;
  /** Undoes steps that were executed; warns of what fails. */
  rollBack(steps: readonly Step[]): Promise<void>;
  /** Commands for recovery, `%i` replaced; null for none. */
  setPostDown(commands: readonly string[] | null): Promise<void>;
  /** See StepExecutor.removeAll. */
  removeAll(scope: RemovalScope): Promise<OperatorError[]>;
  /** Ends the state file. */
  finish(): Promise<void>;
}

export interface LinuxNetworkOptions {
  readonly run?: CommandRunner;
  /** Default: /run/beam. */
  readonly stateFolder?: string;
  /** Where hooks print to, at the time they run; default: where Beam does. */
  readonly hookOutput?: () => HookOutput;
}

/** Each costs some five calls of `ip`; a jump host may have hundreds. */
const MAX_OTHER_SESSIONS = 32;

export class LinuxTunnelNetwork implements TunnelNetwork {
  readonly #run: CommandRunner;
  readonly #stateFolder: string;
  readonly #ip: IpTool;
  readonly #hookOutput: () => HookOutput;

  constructor(options: LinuxNetworkOptions = {}) {
    this.#run = options.run ?? runCommand;
    this.#stateFolder = options.stateFolder ?? STATE_FOLDER;
    this.#ip = new IpTool(this.#run);
    this.#hookOutput = options.hookOutput ?? (() => 'inherit');
  }

  async recover(interfaceName: string, reporter: Reporter): Promise<boolean> {
    const state = await readState(this.#stateFolder, interfaceName);
    if (state === null) return false;
    if (isAlive(state.owner)) throw alreadyUp(state);
    const here = state.bootId === bootId() && state.namespace === networkNamespace();
    const items = here ? state.items : state.items.filter(({ kind }) => kind === 'dns');
    reporter.progress(`taking back what an earlier run of ${interfaceName} left`);
    const journal = Journal.resume(this.#stateFolder, { ...state, items });
    const changes = this.#changes(journal, reporter);
    const failures = await changes.removeAll('everything');
    if (here) await this.#runLeftHooks(state, reporter);
    await changes.setPostDown(null);
    // DNS never keeps a tunnel from coming up.
    const isStuck = journal.state.items.some(({ kind }) => kind !== 'dns');
    if (isStuck) throw notRecovered(stateFile(this.#stateFolder, interfaceName), failures);
    for (const failure of failures) reporter.warn(failure.message);
    await changes.finish();
    return true;
  }

  async #runLeftHooks({ interfaceName, postDown }: TunnelState, reporter: Reporter): Promise<void> {
    const commands = postDown ?? [];
    for (const [i, command] of commands.entries()) {
      const hook = {
        name: 'PostDown',
        command,
        interfaceName,
        position: `${i + 1} of ${commands.length}`,
      } as const;
      reporter.progress(`PostDown ${hook.position}`);
      await this.runHook(hook).catch((error: unknown) =>
        reporter.warn(error instanceof Error ? error.message : String(error)),
      );
    }
  }

  async facts(request: FactsRequest): Promise<NetworkFacts> {
    if (findExecutable('ip') === null) throw noIpTool();
    return collectFacts(this.#run, request);
  }

  async judge(session: Session, change: LayoutChange): Promise<LockoutVerdict> {
    const facts = await sessionFacts(this.#ip, session);
    return facts === null ? { kind: 'safe' } : judgeLockout(facts, change);
  }

  async othersCut(change: LayoutChange, except: Session | null): Promise<string[]> {
    const clients = new Set<string>();
    const pairs = new Map(
      sshSessions().map((session) => [`${session.client} ${session.server}`, session]),
    );
    for (const session of [...pairs.values()].slice(0, MAX_OTHER_SESSIONS)) {
      if (session.client === except?.client) continue;
      if ((await this.judge(session, change)).kind === 'cut') clients.add(session.client);
    }
    return [...clients];
  }

  async sessionDevice(session: Session): Promise<string | null> {
    const answer = await this.#ip.routeTo(session.client, { source: session.server });
    return answer?.device ?? null;
  }

  async begin(interfaceName: string, reporter: Reporter): Promise<NetworkChanges> {
    return this.#changes(await Journal.create(this.#stateFolder, interfaceName), reporter);
  }

  #changes(journal: Journal, reporter: Reporter): NetworkChanges {
    const { interfaceName } = journal.state;
    const executor = new StepExecutor({
      run: this.#run,
      stateFolder: this.#stateFolder,
      interfaceName,
      journal,
      progress: (line) => reporter.progress(line),
      warn: (text) => reporter.warn(text),
    });
    return {
      attach: async () => {
        const link = await this.#ip.link(interfaceName);
        if (link === null) throw noInterface(interfaceName);
        await journal.setLink({ index: link.index, mtu: link.mtu, up: link.up });
      },
      execute: (steps) => executor.execute(steps),
      rollBack: (steps) => executor.rollBack(steps),
      setPostDown: (commands) => journal.setPostDown(commands),
      removeAll: (scope) => executor.removeAll(scope),
      finish: () => journal.remove(),
    };
  }

  runHook(hook: Hook, abort?: AbortSignal): Promise<void> {
    return runHook(hook, this.#hookOutput(), abort);
  }
}

function alreadyUp({ interfaceName, owner }: TunnelState): OperatorError {
  return new OperatorError({
    code: 'E_TUNNEL_UP',
    place: interfaceName,
    expected: 'a tunnel that is not up',
    found: `that process ${owner.pid} runs it`,
    remedy: `use "beam reload ${interfaceName}" for a new configuration, or "beam down ${interfaceName}" first`,
  });
}

function notRecovered(file: string, failures: readonly OperatorError[]): OperatorError {
  return new OperatorError(
    {
      code: 'E_RECOVERY',
      place: file,
      expected: 'to take back what an earlier run left',
      found: failures.map(({ details }) => `${details.place}: ${details.found}`).join('; '),
      remedy: `${failures[0]!.details.remedy}; when nothing is left of it, delete the file`,
    },
    { cause: failures[0] },
  );
}

function noIpTool(): OperatorError {
  return new OperatorError({
    code: 'E_IP_TOOL',
    place: 'ip',
    expected: 'the ip command',
    found: 'none',
    remedy: 'install iproute2 (on OpenWrt: opkg install ip-full)',
  });
}

function noInterface(interfaceName: string): OperatorError {
  return new OperatorError({
    code: 'E_INTERFACE_GONE',
    place: interfaceName,
    expected: 'the interface that was just made',
    found: 'none of that name',
    remedy:
      'see what else manages network interfaces here, such as NetworkManager or udev rules that rename',
  });
}
