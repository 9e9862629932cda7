// Reads an interface's state through the UAPI, whichever program serves it.
import { OperatorError } from '../base/errors.js';
import { MAX_REQUEST_BYTES } from '../config/uapi/requestLimits.js';
import { listSockets } from './controlClient.js';
import { UAPI_FOLDER, uapiSocketPath } from './uapiServer.js';
import { connectUnix, errnoOf } from './unixSocket.js';

export interface UapiOptions {
  readonly timeoutMs: number;
  readonly folder?: string;
}

/**
 * The answer to `get=1`: `key=value` lines up to and with `errno=`. It holds private keys. Throws
 * OperatorError E_UAPI if nobody answers in time.
 */
export async function uapiGet(interfaceName: string, options: UapiOptions): Promise<string> {
  const path = uapiSocketPath(interfaceName, options.folder);
  try {
    return await request(path, 'get=1\n\n', options.timeoutMs);
  } catch (error) {
    throw uapiError(path, error);
  }
}

async function request(path: string, text: string, timeoutMs: number): Promise<string> {
  const socket = await connectUnix(path, timeoutMs);
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.setTimeout(timeoutMs, () => reject(new Error('no answer in time')));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed without an answer')));
      socket.on('data', (chunk: Buffer) => {
        parts.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_REQUEST_BYTES) reject(new Error('an answer of more than 64 MiB'));
        if (!endsInEmptyLine(parts)) return;
        resolve(Buffer.concat(parts).toString('latin1').slice(0, -1));
      });
      socket.write(text);
    });
  } finally {
    socket.destroy();
  }
}

function endsInEmptyLine(parts: readonly Buffer[]): boolean {
  const tail = Buffer.concat(parts.slice(-2)).subarray(-2);
  return tail.length === 2 && tail[0] === 0x0a && tail[1] === 0x0a;
}

/** The interfaces that have a UAPI socket, dead or alive, in order of name. */
export const listUapiSockets = (folder = UAPI_FOLDER): Promise<string[]> => listSockets(folder);

function uapiError(path: string, cause: unknown): OperatorError {
  const code = errnoOf(cause);
  const found = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new OperatorError(
    {
      code: 'E_UAPI',
      place: path,
      expected: 'an answer to get=1',
      found: code === 'ECONNREFUSED' ? 'nobody listening: its daemon is gone' : found,
      remedy:
        code === 'EACCES' || code === 'EPERM'
          ? 'run this as root'
          : 'start the daemon of this interface again, or remove the file',
    },
    { cause },
  );
}
