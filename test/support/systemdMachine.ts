// A machine with systemd as its PID 1, in a namespace of a test's network (systemdMachine.sh).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace, Network } from './netnsNetwork.js';
import { runCommand, runToEnd, waitFor } from './netnsProcess.js';
import type { Background, CommandResult } from './netnsProcess.js';

const SCRIPT = 'test/support/systemdMachine.sh';
const BOOT_MS = 40_000;

/** Null if one can be booted here, else the reason why not. */
export function systemdUnavailable(): string | null {
  const { status, stdout } = spawnSync('bash', [SCRIPT, 'probe'], { encoding: 'utf8' });
  return status === 0 ? null : stdout.trim() || 'no systemd can be booted in namespaces here';
}

export class SystemdMachine {
  readonly #init: number;

  private constructor(init: number) {
    this.#init = init;
  }

  /** With Beam's unit installed and journald running. It ends with the network. */
  static async boot(net: Network, namespace: Namespace): Promise<SystemdMachine> {
    const folder = join(net.folder(), 'machine');
    mkdirSync(folder);
    const process_ = namespace.spawn([
      ...['bash', SCRIPT, 'boot', folder, namespace.name, process.execPath],
    ]);
    net.onClose(async () => {
      await process_.stop('SIGKILL');
      await runToEnd(['bash', SCRIPT, 'clean', namespace.name]);
    });
    const init = await waitFor('systemd runs', () => childOf(process_) ?? 0, {
      timeoutMs: BOOT_MS,
    });
    const machine = new SystemdMachine(init);
    await waitFor(
      'systemd has booted',
      async () =>
        (await machine.try('systemctl', 'is-active', 'test.target')).stdout.trim() === 'active',
      { timeoutMs: BOOT_MS, everyMs: 200 },
    );
    return machine;
  }

  #command(command: readonly string[]): string[] {
    const spaces = ['--mount', '--pid', '--cgroup', '--net', '--uts', '--ipc', '--root', '--wd'];
    return ['nsenter', '--target', `${this.#init}`, ...spaces, '--', ...command];
  }

  /** Runs a command in there that must succeed; gives its stdout. */
  run(...command: readonly string[]): Promise<string> {
    return runCommand(this.#command(command));
  }

  try(...command: readonly string[]): Promise<CommandResult> {
    return runToEnd(this.#command(command));
  }

  async write(path: string, text: string): Promise<void> {
    const script = 'umask 077; mkdir -p "${1%/*}"; cat > "$1"';
    await runCommand(this.#command(['sh', '-c', script, 'sh', path]), { input: text });
  }

  async property(unit: string, name: string): Promise<string> {
    return (await this.run('systemctl', 'show', '--property', name, '--value', unit)).trim();
  }

  journal(unit: string): Promise<string> {
    return this.run('journalctl', '--no-pager', '--output=cat', '--unit', unit);
  }
}

/** The PID 1 of the new namespace, once it has become systemd; null before. */
function childOf(outer: Background): number | null {
  if (outer.outcome !== null) throw new Error(`systemd did not start:\n${outer.log}`);
  const children = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8');
  const child = Number(children.trim().split(' ')[0]);
  if (!(child > 0)) return null;
  return readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd' ? child : null;
}
