// `beam <interface>`: wireguard-go's command line and environment. SPEC.md 9.2.
import { OperatorError } from '../../base/errors.js';
import { startInBackground } from '../background.js';
import { version } from '../version.js';

export interface DropInArguments {
  readonly interfaceName: string;
  readonly foreground: boolean;
}

export async function dropIn({ interfaceName, foreground }: DropInArguments): Promise<number> {
  const tunFd = descriptor('WG_TUN_FD');
  const uapiFd = descriptor('WG_UAPI_FD');
  if (!foreground && process.env['WG_PROCESS_FOREGROUND'] !== '1') {
    const inherited = new Map(
      Object.entries({ WG_TUN_FD: tunFd, WG_UAPI_FD: uapiFd }).filter(
        (entry): entry is [string, number] => entry[1] !== null,
      ),
    );
    return startInBackground({ args: ['-f', interfaceName], showSteps: false, inherited });
  }
  const { runDaemon } = await import('../../agent/daemon.js');
  const { DropInService } = await import('../../agent/dropInService.js');
  return runDaemon({
    interfaceName,
    env: process.env,
    logLevel: 'error',
    createService: (context) =>
      new DropInService({ interfaceName, version: version(), tunFd, uapiFd }, context),
  });
}

function descriptor(variable: string): number | null {
  const text = process.env[variable];
  if (text === undefined || text === '') return null;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new OperatorError({
    code: 'E_DESCRIPTOR',
    place: variable,
    expected: 'the number of an open descriptor',
    found: JSON.stringify(text),
    remedy: `unset ${variable}, or hand a descriptor over`,
  });
}
