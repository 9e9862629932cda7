// One UAPI request to one answer, on the running device. SPEC.md 6.
import { OperatorError } from '../base/errors.js';
import { ERRNO, formatErrno, type Errno } from '../config/uapi/answer.js';
import { formatGet } from '../config/uapi/formatGet.js';
import { parseSet } from '../config/uapi/setParser.js';
import type { ZoneIndex } from '../config/uapi/uapiEndpoint.js';
import type { DeviceChange, DeviceSnapshot } from '../peer/change.js';
import type { Logger } from '../ports/log.js';

/** The device as a UAPI client may use it. */
export interface UapiTarget {
  applyChange(change: DeviceChange): void;
  snapshot(): DeviceSnapshot;
}

export interface UapiContext {
  readonly target: UapiTarget;
  readonly zoneIndex: ZoneIndex;
  readonly logger: Logger;
}

/** `request` is one operation with each line ended; the answer is whole. Never throws. */
export function answerUapi(request: string, context: UapiContext): string {
  const [operation, ...lines] = request.split('\n');
  lines.pop();
  if (operation === 'get=1') {
    return lines.length === 0 ? formatGet(context.target.snapshot()) : formatErrno(ERRNO.EINVAL);
  }
  if (operation === 'set=1') return formatErrno(set(lines, context));
  return formatErrno(ERRNO.EPROTO);
}

function set(lines: readonly string[], { target, zoneIndex, logger }: UapiContext): Errno {
  const outcome = parseSet(lines, zoneIndex);
  if (outcome.kind === 'refused') {
    logger.error(`UAPI set refused at line ${outcome.line}: ${outcome.reason}`);
    return outcome.errno;
  }
  try {
    target.applyChange(outcome.change);
    return ERRNO.OK;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    logger.error(`UAPI set refused: ${error.message}`);
    return error.code === 'E_BIND' ? ERRNO.EADDRINUSE : ERRNO.EINVAL;
  } finally {
    destroyChange(outcome.change);
  }
}

function destroyChange(change: DeviceChange): void {
  change.privateKey?.destroy();
  for (const peer of change.peers) peer.presharedKey?.destroy();
}
