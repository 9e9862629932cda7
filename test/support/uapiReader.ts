// The UAPI's stream read the plain way, line by line: what the server's own framing
// (platform/uapiServer.ts) is held against. SPEC.md 6.1.
import { ERRNO } from '../../src/config/uapi/answer.js';
import type { Errno } from '../../src/config/uapi/answer.js';
import { MAX_LINE_BYTES, MAX_REQUEST_BYTES } from '../../src/config/uapi/requestLimits.js';
import { SetParser } from '../../src/config/uapi/setParser.js';
import type { SetOutcome } from '../../src/config/uapi/setParser.js';
import type { ZoneIndex } from '../../src/config/uapi/uapiEndpoint.js';

/** What a connection asks for, in order. Each is to be answered before the next. */
export type UapiRequest =
  | { readonly kind: 'get' }
  | { readonly kind: 'set'; readonly outcome: SetOutcome }
  /** Answered with the errno; the connection goes on. */
  | { readonly kind: 'refused'; readonly errno: Errno; readonly reason: string }
  /** Answered with the errno, if there is one, and closed. Nothing follows it. */
  | { readonly kind: 'close'; readonly errno: Errno | null; readonly reason: string };

type State =
  | { readonly kind: 'operation' }
  | { readonly kind: 'get' }
  | { readonly kind: 'set'; readonly parser: SetParser }
  /** A request that is refused already: waits for its empty line. */
  | { readonly kind: 'skip' }
  | { readonly kind: 'closed' };

export class UapiReader {
  readonly #zoneIndex: ZoneIndex;
  readonly #maxRequestBytes: number;
  #state: State = { kind: 'operation' };
  /** The start of a line whose end hasn't come yet. */
  #carry = '';
  #requestBytes = 0;

  constructor(zoneIndex: ZoneIndex, maxRequestBytes = MAX_REQUEST_BYTES) {
    this.#zoneIndex = zoneIndex;
    this.#maxRequestBytes = maxRequestBytes;
  }

  /** True between requests: a connection that ends now loses nothing. */
  get idle(): boolean {
    return this.#state.kind === 'operation' && this.#carry === '';
  }

  /** Takes the next bytes of the stream, which may be cut anywhere. */
  push(chunk: Uint8Array): UapiRequest[] {
    const requests: UapiRequest[] = [];
    // Latin-1 keeps one character a byte; what isn't ASCII is refused as a key or a value.
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const text = this.#carry + bytes.toString('latin1');
    let start = 0;
    while (this.#state.kind !== 'closed') {
      const end = text.indexOf('\n', start);
      const lineBytes = (end < 0 ? text.length : end) - start;
      if (lineBytes > MAX_LINE_BYTES) {
        requests.push(this.#close(ERRNO.EIO, `a line of more than ${MAX_LINE_BYTES} bytes`));
      } else if (end < 0) break;
      else {
        const request = this.#line(text.slice(start, end));
        if (request !== null) requests.push(request);
        start = end + 1;
      }
    }
    this.#carry = this.#state.kind === 'closed' ? '' : text.slice(start);
    return requests;
  }

  /** The stream ended: a request that isn't whole is forgotten. */
  end(): void {
    this.#close(null, 'the stream ended');
  }

  #line(raw: string): UapiRequest | null {
    const state = this.#state;
    if (state.kind === 'operation') return this.#operation(raw);
    this.#requestBytes += raw.length + 1;
    if (this.#requestBytes > this.#maxRequestBytes) {
      return this.#close(ERRNO.EIO, `a request of more than ${this.#maxRequestBytes} bytes`);
    }
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') return this.#finish();
    if (state.kind === 'set') state.parser.line(line);
    if (state.kind !== 'get') return null;
    this.#state = { kind: 'skip' };
    return { kind: 'refused', errno: ERRNO.EINVAL, reason: 'lines after get=1' };
  }

  #operation(line: string): UapiRequest | null {
    this.#requestBytes = line.length + 1;
    if (line === 'get=1') this.#state = { kind: 'get' };
    else if (line === 'set=1')
      this.#state = { kind: 'set', parser: new SetParser(this.#zoneIndex) };
    else return this.#close(null, 'not an operation');
    return null;
  }

  #finish(): UapiRequest | null {
    const state = this.#state;
    this.#state = { kind: 'operation' };
    if (state.kind === 'get') return { kind: 'get' };
    return state.kind === 'set' ? { kind: 'set', outcome: state.parser.finish() } : null;
  }

  #close(errno: Errno | null, reason: string): UapiRequest {
    if (this.#state.kind === 'set') this.#state.parser.destroy();
    this.#state = { kind: 'closed' };
    this.#carry = '';
    return { kind: 'close', errno, reason };
  }
}
