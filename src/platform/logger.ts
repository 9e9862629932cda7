// Log lines on stderr: with syslog priorities under systemd, with level and time elsewhere.
// SPEC.md 9.2.
import type { Logger, LogLevel } from '../ports/log.js';

type Spoken = Exclude<LogLevel, 'silent'>;

const ORDER: Readonly<Record<LogLevel, number>> = { silent: 0, error: 1, info: 2, debug: 3 };
/** syslog(3): the journal reads `<3>` at the start of a line. */
const PRIORITY: Readonly<Record<Spoken, number>> = { error: 3, info: 6, debug: 7 };

export interface LoggerOptions {
  /** Asked for every line: it may change. */
  readonly level: () => LogLevel;
  /** Stands in every line: one journal may hold many tunnels. */
  readonly interfaceName: string;
  /** Lines go to the journal, which keeps its own time. */
  readonly journal: boolean;
  readonly write: (line: string) => void;
  readonly wallNow: () => Date;
}

export function createLogger(options: LoggerOptions): Logger {
  const log =
    (level: Spoken) =>
    (text: string): void => {
      if (ORDER[level] > ORDER[options.level()]) return;
      // Text that came from outside can neither forge another line nor steer the terminal.
      const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
      options.write(`${head(level, options)}${line}\n`);
    };
  return { error: log('error'), info: log('info'), debug: log('debug') };
}

function head(level: Spoken, { journal, interfaceName, wallNow }: LoggerOptions): string {
  if (journal) return `<${PRIORITY[level]}>${interfaceName}: `;
  const time = wallNow().toISOString().slice(0, 19).replace('T', ' ');
  return `${level.toUpperCase()}: (${interfaceName}) ${time} `;
}

/** wireguard-go's LOG_LEVEL, and Beam's own words; `fallback` for anything else. */
export function parseLogLevel(text: string | undefined, fallback: LogLevel): LogLevel {
  switch (text?.toLowerCase()) {
    case 'silent':
      return 'silent';
    case 'error':
      return 'error';
    case 'info':
      return 'info';
    case 'verbose':
    case 'debug':
      return 'debug';
    default:
      return fallback;
  }
}
