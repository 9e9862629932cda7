// Asks a daemon over its control socket. SPEC.md 9.3.
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { ControlAnswer, ControlRequest } from '../ports/control.js';
import { OperatorError } from '../base/errors.js';
import { CONTROL_FOLDER, controlSocketPath } from './controlServer.js';
import { connectUnix, errnoOf } from './unixSocket.js';

export interface AskOptions {
  /** How long the answer may take; null for as long as the daemon lives (hooks run meanwhile). */
  readonly timeoutMs: number | null;
  readonly folder?: string;
}

const CONNECT_MS = 2_000;
export const CONTROL_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Sends one request and gives the daemon's answer, also where that is errors. Throws OperatorError
 * E_NO_DAEMON (nobody listens), E_PERMISSION, E_DAEMON_SILENT (no answer in time, or the connection
 * ended before one) or E_CONTROL_ANSWER (not an answer).
 */
export async function askDaemon(
  interfaceName: string,
  request: ControlRequest,
  options: AskOptions,
): Promise<ControlAnswer> {
  const path = controlSocketPath(interfaceName, options.folder);
  const socket = await connect(path, interfaceName);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    return parseAnswer(await readLine(socket, path, options.timeoutMs), path);
  } finally {
    socket.destroy();
  }
}

async function connect(path: string, interfaceName: string): Promise<Socket> {
  try {
    return await connectUnix(path, CONNECT_MS);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EACCES' || code === 'EPERM') throw noPermission(path, error);
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
      throw new OperatorError(
        {
          code: 'E_NO_DAEMON',
          place: interfaceName,
          expected: `a daemon at ${path}`,
          found: code === 'ECONNREFUSED' ? 'the socket of one that is gone' : 'none',
          remedy: `start it with \`beam up ${interfaceName}\`, or see \`beam status\` for what runs`,
        },
        { cause: error },
      );
    }
    throw silent(path, code ?? 'no connection', error);
  }
}

function readLine(socket: Socket, path: string, timeoutMs: number | null): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    if (timeoutMs !== null) {
      const found = `nothing for ${timeoutMs / 1000} s`;
      socket.setTimeout(timeoutMs, () => reject(silent(path, found)));
    }
    socket.on('data', (chunk: Buffer) => {
      const end = chunk.indexOf(0x0a);
      parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      bytes += chunk.length;
      if (end >= 0) resolve(Buffer.concat(parts).toString('utf8'));
      else if (bytes > CONTROL_ANSWER_BYTES) reject(notAnAnswer(path, 'more than 64 MiB'));
    });
    socket.on('error', (error) => reject(silent(path, error.message, error)));
    socket.on('close', () => reject(silent(path, 'the connection closed')));
  });
}

function parseAnswer(line: string, path: string): ControlAnswer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw notAnAnswer(path, 'no JSON');
  }
  if (typeof value === 'object' && value !== null && 'ok' in value) {
    if (value.ok === true && 'result' in value) return value as ControlAnswer;
    if (value.ok === false && 'errors' in value && Array.isArray(value.errors)) {
      return value as ControlAnswer;
    }
  }
  throw notAnAnswer(path, 'JSON of another shape');
}

/** The interfaces that have a control socket, dead or alive, in order of name. */
export async function listControlSockets(folder = CONTROL_FOLDER): Promise<string[]> {
  return listSockets(folder);
}

/** The names of `*.sock` in a folder; none where there is no folder. Throws E_PERMISSION. */
export async function listSockets(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isSocket() && entry.name.endsWith('.sock'))
      .map((entry) => entry.name.slice(0, -'.sock'.length))
      .sort();
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return [];
    if (code === 'EACCES') throw noPermission(folder, error);
    throw error;
  }
}

const noPermission = (path: string, cause: unknown): OperatorError =>
  new OperatorError(
    {
      code: 'E_PERMISSION',
      place: path,
      expected: 'access',
      found: 'permission denied',
      remedy: 'run this as root',
    },
    { cause },
  );

const silent = (path: string, found: string, cause?: unknown): OperatorError =>
  new OperatorError(
    {
      code: 'E_DAEMON_SILENT',
      place: path,
      expected: "the daemon's answer",
      found,
      remedy: "look at the daemon's log; if it hangs, end the process and start it again",
    },
    { cause },
  );

const notAnAnswer = (path: string, found: string): OperatorError =>
  new OperatorError({
    code: 'E_CONTROL_ANSWER',
    place: path,
    expected: 'an answer of the control protocol',
    found,
    remedy: 'use the `beam` command of the version that the daemon runs',
  });
