// Words, names and paths of the configuration file. SPEC.md 7.2.
import { DEFAULT_STORE_PATH } from '../../../keyStore/storeFormat.js';
import type { LogLevel } from '../../../ports/log.js';
import { ENGINE_CHOICES } from '../../tunnelConfig.js';
import type { EngineChoice } from '../../tunnelConfig.js';
import type { Report } from '../findings.js';
import { shown } from '../findings.js';

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);
const ENGINES: ReadonlyMap<string, EngineChoice> = new Map(
  ENGINE_CHOICES.map((name) => [name, name]),
);
/** `verbose` is wireguard-go's word. */
const LEVELS: ReadonlyMap<string, LogLevel> = new Map<string, LogLevel>([
  ['silent', 'silent'],
  ['error', 'error'],
  ['info', 'info'],
  ['debug', 'debug'],
  ['verbose', 'debug'],
]);

export const boolean = (text: string, report: Report): boolean | null =>
  choice(text, BOOLEANS, report);

export const engine = (text: string, report: Report): EngineChoice | null =>
  choice(text, ENGINES, report);

export const logLevel = (text: string, report: Report): LogLevel | null =>
  choice(text, LEVELS, report);

function choice<T>(text: string, choices: ReadonlyMap<string, T>, report: Report): T | null {
  const chosen = choices.get(text.toLowerCase());
  if (chosen !== undefined) return chosen;
  const words = [...choices.keys()];
  return report.problem({
    code: 'E_CONFIG_CHOICE',
    expected: `${words.slice(0, -1).join(', ')} or ${words.at(-1)!}`,
    found: shown(text),
    remedy: 'write one of these words',
  });
}

/** Printable: no control characters, which could repaint a terminal, and nothing invisible. */
export const isPeerName = (text: string): boolean =>
  /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,64}$/u.test(text) && text.trim() === text && !text.includes('#');

export function peerName(text: string, report: Report): string | null {
  if (isPeerName(text)) return text;
  return report.problem({
    code: 'E_CONFIG_NAME',
    expected: '1 to 64 printable characters',
    found: shown(text),
    remedy: 'write a name such as alice or branch-office',
  });
}

/** An absolute path, or the name of a systemd credential. */
export function keyFile(text: string, report: Report): string | null {
  if (text.startsWith('/') || /^[A-Za-z0-9_.-]{1,255}$/.test(text)) return text;
  return report.problem({
    code: 'E_CONFIG_NAME',
    expected: 'an absolute path, or the name of a systemd credential',
    found: shown(text),
    remedy: 'write a path such as /etc/beam/beam0.key',
  });
}

/** The absolute path of a key store, or `default`. */
export function keyStore(text: string, report: Report): string | null {
  if (text === 'default') return DEFAULT_STORE_PATH;
  if (text.startsWith('/')) return text;
  return report.problem({
    code: 'E_CONFIG_NAME',
    expected: 'default, or the absolute path of a key store',
    found: shown(text),
    remedy: `write default for ${DEFAULT_STORE_PATH}`,
  });
}
