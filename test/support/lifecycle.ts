// Tunnels that lifecycleAgent.ts brings up in a namespace, and pictures of what that changed.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentAnswer, AgentOptions } from './lifecycleAgent.js';
import type { Namespace, Network } from './netns.js';
import { waitFor, type Background, type Ended } from './netnsProcess.js';

export type Verdict = Exclude<AgentAnswer, { event: 'step' | 'warning' }>;

const AGENT = 'dist/test/support/lifecycleAgent.js';

export interface LifecycleOptions extends Partial<
  Pick<AgentOptions, 'device' | 'force' | 'die' | 'recoverOnly'>
> {
  readonly interfaceName: string;
  readonly config: string;
  /** Where state files are; tunnels that share it share what is per machine. */
  readonly stateFolder?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The agent's process, from its start to its end. */
export class LifecycleProcess {
  readonly #process: Background;
  #read = 0;

  private constructor(process: Background) {
    this.#process = process;
  }

  static start(net: Network, namespace: Namespace, options: LifecycleOptions): LifecycleProcess {
    const { interfaceName, config } = options;
    const agent: AgentOptions = {
      configFile: net.file(`${interfaceName}.conf`, config),
      interfaceName,
      stateFolder: options.stateFolder ?? stateFolder(net),
      device: options.device ?? 'plain',
      force: options.force ?? false,
      die: options.die ?? null,
      recoverOnly: options.recoverOnly ?? false,
    };
    const command = [process.execPath, AGENT, JSON.stringify(agent)];
    // The session of whoever runs the tests is none of theirs.
    const env = { SSH_CONNECTION: '', SSH_CLIENT: '', ...options.env };
    return new LifecycleProcess(namespace.spawn(command, { env }));
  }

  get answers(): AgentAnswer[] {
    return this.#process.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as AgentAnswer);
  }

  get warnings(): string[] {
    return this.answers.flatMap((line) => (line.event === 'warning' ? [line.text] : []));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The next answer that isn't a step or a warning. */
  async next(): Promise<Verdict> {
    const verdict = await waitFor<Verdict | undefined>(
      'the agent answers',
      () => {
        const answer = this.answers.filter(isVerdict)[this.#read];
        if (answer !== undefined) this.#read++;
        else if (this.#process.outcome !== null)
          throw new Error(`the agent ended: ${this.#process.log}`);
        return answer;
      },
      { timeoutMs: 20_000 },
    );
    return verdict!;
  }

  async tell(command: string): Promise<Verdict> {
    this.#process.child.stdin!.write(`${command}\n`);
    return this.next();
  }

  ended(): Promise<Ended> {
    return this.#process.waitForEnd(20_000);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }
}

const isVerdict = (line: AgentAnswer): line is Verdict =>
  line.event !== 'step' && line.event !== 'warning';

export function stateFolder(net: Network): string {
  const folder = join(net.folder(), 'state');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Takes back what an earlier run left; what it answered. */
export async function recover(
  net: Network,
  namespace: Namespace,
  interfaceName: string,
): Promise<string> {
  const agent = LifecycleProcess.start(net, namespace, {
    interfaceName,
    config: '',
    recoverOnly: true,
  });
  const { event } = await agent.next();
  await agent.ended();
  return event;
}

const PICTURE = [
  ['ip', '-4', 'address'],
  ['ip', '-6', 'address'],
  ['ip', '-4', 'route', 'show', 'table', 'all'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['ip', '-4', 'rule'],
  ['ip', '-6', 'rule'],
  ['nft', 'list', 'ruleset'],
  ['sysctl', 'net.ipv4.conf.all.src_valid_mark'],
];

/** Addresses, routes, rules, firewall and the kernel setting, as text that can be compared. */
export async function picture(namespace: Namespace): Promise<string> {
  const parts: string[] = [];
  for (const command of PICTURE)
    parts.push(`# ${command.join(' ')}\n${await namespace.run(...command)}`);
  return parts.join('');
}
