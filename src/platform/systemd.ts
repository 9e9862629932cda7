// What a service tells systemd (sd_notify(3)). NOTIFY_SOCKET is a datagram socket, which Node.js
// can't send to: the addon does, or else the program systemd-notify. SPEC.md 9.6.
import { execFile } from 'node:child_process';
import { OperatorError } from '../base/errors.js';

/** Without a service manager every call does nothing. */
export interface ServiceManager {
  /** NOTIFY_SOCKET was set: somebody waits to be told. */
  readonly present: boolean;
  /** Up, or up again after a reload. */
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
  /** One line for `systemctl status`. */
  status(text: string): Promise<void>;
}

/**
 * Sends one datagram to a Unix socket; a path that begins with NUL is in the abstract namespace.
 * Returns 0 or a negative errno.
 */
export type SendUnixDatagram = (path: string, text: string) => number;

/**
 * Takes NOTIFY_SOCKET out of `env`, so that hooks and children can't speak for the service. `ready`
 * throws OperatorError E_NOTIFY where nothing can be sent; the other calls are best effort.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  sendDatagram: SendUnixDatagram | null,
): ServiceManager {
  const socket = env['NOTIFY_SOCKET'] ?? '';
  Reflect.deleteProperty(env, 'NOTIFY_SOCKET');
  const send = sender(socket, sendDatagram);
  const tryToSend = (text: string): Promise<void> => send(text).catch(() => undefined);
  return {
    present: socket !== '',
    ready: (status) => send(`READY=1\nSTATUS=${oneLine(status)}`),
    reloading: () => tryToSend(`RELOADING=1\nMONOTONIC_USEC=${monotonicUs()}`),
    stopping: () => tryToSend('STOPPING=1'),
    status: (text) => tryToSend(`STATUS=${oneLine(text)}`),
  };
}

function sender(
  socket: string,
  sendDatagram: SendUnixDatagram | null,
): (text: string) => Promise<void> {
  if (socket === '') return () => Promise.resolve();
  if (sendDatagram === null) return (text) => runSystemdNotify(socket, text);
  const path = socket.startsWith('@') ? `\0${socket.slice(1)}` : socket;
  return async (text) => {
    // MAINPID would be redundant; the datagram carries our process id as its credentials.
    const result = sendDatagram(path, text);
    if (result < 0) throw notifyError(socket, `errno ${-result}`);
    return Promise.resolve();
  };
}

const NOTIFY_TIMEOUT_MS = 10_000;

/** Its messages come from another process: the unit needs NotifyAccess=all. */
function runSystemdNotify(socket: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      'systemd-notify',
      text.split('\n'),
      { env: { ...process.env, NOTIFY_SOCKET: socket }, timeout: NOTIFY_TIMEOUT_MS },
      (error) => {
        if (error === null) resolve();
        else reject(notifyError(socket, `systemd-notify: ${error.message.trim()}`));
      },
    );
  });
}

const oneLine = (text: string): string => text.replaceAll(/[\r\n]+/g, ' ');

/** CLOCK_MONOTONIC, as systemd compares it. */
const monotonicUs = (): bigint => process.hrtime.bigint() / 1000n;

const notifyError = (socket: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_NOTIFY',
    place: `NOTIFY_SOCKET=${socket}`,
    expected: 'a service manager that can be told that the service is ready',
    found,
    remedy:
      'build native/beam_io (npm run setup), or have systemd-notify installed and NotifyAccess=all in the unit, or use Type=exec',
  });
