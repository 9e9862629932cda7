// Log lines: which are written, and that each is one line whoever wrote its text. SPEC.md 9.2.
import test from 'ava';
import { createLogger, parseLogLevel } from '../../../src/platform/logger.js';
import type { Logger, LogLevel } from '../../../src/ports/log.js';

interface Written {
  readonly lines: string[];
  level: LogLevel;
}

function logging(
  journal: boolean,
  level: LogLevel = 'debug',
): { readonly logger: Logger; readonly written: Written } {
  const written: Written = { lines: [], level };
  const logger = createLogger({
    level: () => written.level,
    interfaceName: 'wg0',
    journal,
    write: (line) => written.lines.push(line),
    wallNow: () => new Date('2026-03-29T01:59:59.999Z'),
  });
  return { logger, written };
}

test('a line says level, interface and time, as those of wireguard-go do', (t) => {
  const { logger, written } = logging(false);
  logger.error('one');
  logger.info('two');
  logger.debug('three');
  t.deepEqual(written.lines, [
    'ERROR: (wg0) 2026-03-29 01:59:59 one\n',
    'INFO: (wg0) 2026-03-29 01:59:59 two\n',
    'DEBUG: (wg0) 2026-03-29 01:59:59 three\n',
  ]);
});

test('the journal gets syslog priorities, and its own time', (t) => {
  const { logger, written } = logging(true);
  logger.error('one');
  logger.info('two');
  logger.debug('three');
  t.deepEqual(written.lines, ['<3>wg0: one\n', '<6>wg0: two\n', '<7>wg0: three\n']);
});

for (const [level, expected] of [
  ['silent', []],
  ['error', ['error']],
  ['info', ['error', 'info']],
  ['debug', ['error', 'info', 'debug']],
] as const) {
  test(`level ${level} writes ${expected.join(', ') || 'nothing'}`, (t) => {
    const { logger, written } = logging(true, level);
    for (const method of ['error', 'info', 'debug'] as const) logger[method](method);
    t.deepEqual(
      written.lines,
      expected.map((text) => `<${{ error: 3, info: 6, debug: 7 }[text]}>wg0: ${text}\n`),
    );
  });
}

test('a level that changes holds from the next line on', (t) => {
  const { logger, written } = logging(true, 'error');
  logger.info('before');
  written.level = 'info';
  logger.info('after');
  written.level = 'silent';
  logger.error('never');
  t.deepEqual(written.lines, ['<6>wg0: after\n']);
});

for (const [what, text, expected] of [
  ['a line feed', 'a\n<3>wg0: forged', 'a <3>wg0: forged'],
  ['a carriage return', 'a\rb', 'a b'],
  ['several of both', 'a\r\n\n\rb\n', 'a b '],
] as const) {
  test(`text with ${what} stays one line`, (t) => {
    for (const journal of [true, false]) {
      const { logger, written } = logging(journal);
      logger.error(text);
      t.is(written.lines.length, 1);
      t.true(written.lines[0]!.endsWith(`${expected}\n`), JSON.stringify(written.lines[0]));
      t.is(written.lines[0]!.indexOf('\n'), written.lines[0]!.length - 1);
    }
  });
}

test('text that steers a terminal does not reach it', (t) => {
  const { logger, written } = logging(false);
  logger.error('a\x1b[2Jb\x07c\u009bd\x00e\x7ff\u2028g');
  t.regex(written.lines[0]!, /^ERROR: \(wg0\) [ -~]*\n$/);
});

test('text in any language is left as it is', (t) => {
  const { logger, written } = logging(true);
  logger.info('Büro 東京 🔑\tend');
  t.deepEqual(written.lines, ['<6>wg0: Büro 東京 🔑 end\n']);
});

for (const [text, expected] of [
  ['silent', 'silent'],
  ['error', 'error'],
  ['info', 'info'],
  ['verbose', 'debug'],
  ['debug', 'debug'],
  ['VERBOSE', 'debug'],
  ['Error', 'error'],
  ['', 'info'],
  [' debug', 'info'],
  ['2', 'info'],
  ['toString', 'info'],
  [undefined, 'info'],
] as const) {
  test(`LOG_LEVEL=${text === undefined ? '(unset)' : JSON.stringify(text)} is ${expected}`, (t) => {
    t.is(parseLogLevel(text, 'info'), expected);
  });
}
