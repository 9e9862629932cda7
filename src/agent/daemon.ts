// The process behind a tunnel, in the foreground: starts it, says when it works, waits for its end.
// SPEC.md 9.2.
import { OperatorError, type OperatorErrorDetails } from '../base/errors.js';
import { loadIoAddon } from '../platform/addon.js';
import { startControlServer, type ControlServer } from '../platform/controlServer.js';
import { stderrIsJournal } from '../platform/daemonize.js';
import { readinessFromEnvironment, type Readiness } from '../platform/daemonizeReadiness.js';
import { createLogger, parseLogLevel } from '../platform/logger.js';
import { hardenProcess, keepYoungGenerationSmall } from '../platform/memory.js';
import { serviceManager, type SendUnixDatagram, type ServiceManager } from '../platform/systemd.js';
import type { ControlAnswer, ControlCaller, ControlRequest } from '../ports/control.js';
import type { Logger, LogLevel } from '../ports/log.js';
import { engineFromEnvironment, type EngineWish } from './engineWish.js';

/** What a kind of daemon (drop-in or managed) does; `runDaemon` does the rest. */
export interface Service {
  /** Throws OperatorError; nothing is left behind then. */
  start(): Promise<void>;
  /** One line for `systemctl status`. */
  summary(): string;
  handleControl(request: ControlRequest): Promise<ControlAnswer>;
  /** SIGHUP. */
  reload(): Promise<void>;
  /** Throws OperatorError E_LOCKOUT if `stop` would cut the caller off. */
  checkStop(caller: ControlCaller): Promise<void>;
  /** Undoes everything. Returns what could not be undone. */
  stop(): Promise<readonly OperatorErrorDetails[]>;
}

/** What a service gets from the process around it. */
export interface ServiceContext {
  readonly logger: Logger;
  readonly readiness: Readiness | null;
  readonly manager: ServiceManager;
  /** What the environment says; it goes before the configuration. */
  readonly engine: Partial<EngineWish>;
  /** The configuration's wish, where LOG_LEVEL says nothing. */
  readonly setLogLevel: (level: LogLevel) => void;
  /** Aborted when the daemon is told to end: a start that is under way gives up. */
  readonly abort: AbortSignal;
  /** Ends the daemon; the first call counts. */
  readonly end: (reason: string) => void;
}

export interface DaemonOptions {
  readonly interfaceName: string;
  /** BEAM_READY_FD and NOTIFY_SOCKET are taken out of it. */
  readonly env: NodeJS.ProcessEnv;
  /** For where LOG_LEVEL says nothing. */
  readonly logLevel: LogLevel;
  readonly createService: (context: ServiceContext) => Service;
}

/**
 * Resolves with the exit status when the tunnel has ended and everything is undone. Throws
 * OperatorError if it can't start; whoever waits on BEAM_READY_FD has been told then too.
 */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const { env, interfaceName } = options;
  const readiness = readinessFromEnvironment(env);
  const ending = new Ending();
  try {
    const { logger, setLogLevel } = daemonLogger(options);
    const manager = serviceManager(env, unixDatagramSender());
    const engine = engineFromEnvironment(env);
    harden(logger);
    keepYoungGenerationSmall();
    const context = {
      ...{ logger, setLogLevel, readiness, manager, engine },
      ...{ end: ending.end, abort: ending.abort },
    };
    return await serve(options.createService(context), { ...context, interfaceName, ending });
  } catch (error) {
    readiness?.failed(errorDetails(error));
    throw error;
  } finally {
    ending.stop();
  }
}

const noop = (): void => undefined;

interface Serving extends ServiceContext {
  readonly interfaceName: string;
  readonly ending: Ending;
}

async function serve(service: Service, serving: Serving): Promise<number> {
  const { logger, manager, readiness, ending, interfaceName } = serving;
  await service.start();
  let control: ControlServer | null = null;
  const answersOpen = new Set<Promise<unknown>>();
  try {
    control = await startControlServer({
      interfaceName,
      handle: (request) => {
        const answer = answerControl(request, service, serving);
        const settled: Promise<unknown> = answer
          .then(noop, noop)
          .then(() => answersOpen.delete(settled));
        answersOpen.add(settled);
        return answer;
      },
    });
    await manager.ready(service.summary());
  } catch (error) {
    await control?.close();
    await service.stop();
    throw error;
  }
  readiness?.ready();
  process.on('SIGHUP', () => void reloadOnSignal(service, serving));
  const reason = await ending.reason;
  logger.info(`ending: ${reason}`);
  await manager.stopping();
  const failures = await stopOnce(service);
  // The command that asked for the end is answered before its socket goes.
  await Promise.all(answersOpen);
  await control.close();
  for (const failure of failures) logger.error(new OperatorError(failure).message);
  return failures.length === 0 ? 0 : 1;
}

const stopping = new WeakMap<Service, Promise<readonly OperatorErrorDetails[]>>();

function stopOnce(service: Service): Promise<readonly OperatorErrorDetails[]> {
  const running = stopping.get(service) ?? service.stop();
  stopping.set(service, running);
  return running;
}

async function answerControl(
  request: ControlRequest,
  service: Service,
  { ending }: Serving,
): Promise<ControlAnswer> {
  if (request.method !== 'down') return service.handleControl(request);
  await service.checkStop(request);
  const failures = await stopOnce(service);
  ending.end('asked to go down');
  if (failures.length > 0) return { ok: false, errors: failures };
  return { ok: true, result: { kind: 'done' } };
}

async function reloadOnSignal(service: Service, { logger, manager }: Serving): Promise<void> {
  await manager.reloading();
  try {
    await service.reload();
  } catch (error) {
    logger.error(`reload: ${error instanceof Error ? error.message : String(error)}`);
  }
  await manager.ready(service.summary());
}

/** The first reason to end, among signals and what the tunnel itself says. */
class Ending {
  readonly reason: Promise<string>;
  readonly end: (reason: string) => void;
  readonly abort: AbortSignal;
  readonly #onSignal: (signal: NodeJS.Signals) => void;

  constructor() {
    let settle: (reason: string) => void = () => undefined;
    this.reason = new Promise((resolve) => (settle = resolve));
    const controller = new AbortController();
    this.abort = controller.signal;
    this.end = (reason) => {
      settle(reason);
      controller.abort();
    };
    this.#onSignal = (signal) => this.end(signal);
    process.on('SIGTERM', this.#onSignal);
    process.on('SIGINT', this.#onSignal);
  }

  stop(): void {
    process.off('SIGTERM', this.#onSignal);
    process.off('SIGINT', this.#onSignal);
  }
}

function daemonLogger({
  env,
  interfaceName,
  logLevel,
}: DaemonOptions): Pick<ServiceContext, 'logger' | 'setLogLevel'> {
  const wanted = env['LOG_LEVEL'] ?? '';
  let level = parseLogLevel(wanted, logLevel);
  const logger = createLogger({
    level: () => level,
    interfaceName,
    journal: stderrIsJournal(env),
    write: (line) => void process.stderr.write(line),
    wallNow: () => new Date(),
  });
  const setLogLevel = (configured: LogLevel): void => {
    if (wanted === '') level = configured;
  };
  return { logger, setLogLevel };
}

function unixDatagramSender(): SendUnixDatagram | null {
  const { addon } = loadIoAddon();
  if (addon === null) return null;
  return (path, text) => addon.sendUnixDatagram(Buffer.from(path), Buffer.from(text));
}

function harden(logger: Logger): void {
  const report = hardenProcess();
  if (report.reason !== null) logger.debug(`core dumps are not off: ${report.reason}`);
}

function errorDetails(error: unknown): readonly OperatorErrorDetails[] {
  if (error instanceof AggregateError) return error.errors.flatMap((one) => errorDetails(one));
  if (error instanceof OperatorError) return [error.details];
  return [
    {
      code: 'E_BUG',
      place: 'daemon',
      expected: 'the tunnel to start',
      found: error instanceof Error ? error.message : String(error),
      remedy: 'report this with the output of LOG_LEVEL=debug',
    },
  ];
}
