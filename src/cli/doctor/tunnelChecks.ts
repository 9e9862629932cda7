// How a running tunnel does: judged from what its daemon tells. SPEC.md 9.5.
import type { DropReason } from '../../ports/dataPlane.js';
import type { PeerStatus, TunnelStatus } from '../../ports/control.js';
import { ago } from '../status/render.js';
import type { TunnelReport } from '../status/gather.js';
import { Verdicts, type Check } from './check.js';
import { shortKey } from './configChecks.js';

export type DaemonFacts =
  | {
      readonly kind: 'answers';
      readonly report: Exclude<TunnelReport, { error: string }>;
      /** In another network namespace, whose routes and settings aren't ours. */
      readonly elsewhere: boolean;
    }
  | { readonly kind: 'none' }
  /** A socket is there. */
  | { readonly kind: 'silent'; readonly found: string };

export function judgeDaemon(name: string, facts: DaemonFacts): Check {
  const check = new Verdicts('daemon', name);
  switch (facts.kind) {
    case 'none':
      return check.warn('is not running', `beam up ${name}`);
    case 'silent':
      return check.fail(
        `has a socket, but its daemon does not answer: ${facts.found}`,
        `beam up ${name} starts it again, beam down ${name} takes back what it left; end one that hangs`,
      );
    case 'answers':
      break;
  }
  const { report } = facts;
  if (report.source === 'uapi') return check.ok('is served by another WireGuard program');
  const { pid, version, engine, up } = report;
  if (facts.elsewhere) {
    return check.warn(
      `is answered for by pid ${pid} in another network namespace, which cannot be seen from here`,
      `nsenter -t ${pid} -n beam doctor ${name}`,
    );
  }
  if (!up) return check.ok(`is answered for by pid ${pid} (Beam ${version}), its link is down`);
  return check.ok(`is answered for by pid ${pid} (Beam ${version}, ${engine} engine)`);
}

/** What a daemon of Beam knows besides its peers; null for another program. */
export type Circumstances = Pick<TunnelStatus, 'up' | 'handshakeRefusals' | 'sendErrors' | 'peers'>;

export interface PeerFacts {
  readonly peer: PeerStatus;
  /** The peer some seconds later; null where nobody looked again. */
  readonly later: PeerStatus | null;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly circumstances: Circumstances | null;
}

const peerSubject = (name: string, { name: known, publicKey }: PeerStatus): string =>
  `${name} ${known ?? shortKey(publicKey)}`;

const SECOND_MS = 1000;
/** REJECT_AFTER_TIME: older handshakes carry nothing any more. */
const FRESH_MS = 180 * SECOND_MS;

const isFresh = ({ latestHandshakeAt }: PeerStatus, nowMs: number): boolean =>
  latestHandshakeAt !== null && nowMs - latestHandshakeAt <= FRESH_MS;

/** Whether a second look tells more: handshakes that nobody answers make the count of sent bytes grow. */
export const isInDoubt = (peer: PeerStatus, nowMs: number): boolean =>
  peer.latestHandshakeAt !== null &&
  !isFresh(peer, nowMs) &&
  peer.endpoint !== null &&
  peer.persistentKeepaliveS === 0;

export function judgeHandshake(name: string, facts: PeerFacts): Check {
  const { peer, later, nowMs } = facts;
  const check = new Verdicts('handshake', peerSubject(name, peer));
  const latest = later ?? peer;
  const last = latest.latestHandshakeAt;
  if (last !== null && last > nowMs + FRESH_MS) {
    return check.warn(
      'has its latest handshake in the future: the clock was set back',
      'set the clock right; peers take no initiation that is older than the last one',
    );
  }
  const when = last === null ? 'no handshake yet' : `its latest handshake ${ago(nowMs - last)} ago`;
  if (isFresh(latest, nowMs))
    return check.ok(last! > nowMs ? 'has a handshake just now' : `has ${when}`);
  if (latest.endpoint === null) return check.ok(`has ${when}; it has to call first (no endpoint)`);
  const sending =
    latest.persistentKeepaliveS > 0 ||
    latest.sentBytes > peer.sentBytes ||
    sendFailure(latest, facts.circumstances) !== null;
  const neverAnswered = last === null && latest.sentBytes > 0;
  if (!sending && !neverAnswered) return check.ok(`has ${when}; nothing is being sent`);
  const [finding, remedy] = likelyReasons(latest, facts.circumstances);
  return check.warn(`has ${when}, and handshakes get no answer: ${finding}`, remedy);
}

/** The first that fits. Counters of the whole tunnel are hints, no proof. */
function likelyReasons(
  peer: PeerStatus,
  circumstances: Circumstances | null,
): [finding: string, remedy: string] {
  const { endpoint } = peer;
  const refusals = circumstances?.handshakeRefusals ?? {};
  const some = (...reasons: string[]): boolean =>
    reasons.some((reason) => (refusals[reason] ?? 0) > 0);
  if (circumstances?.up === false) {
    return ['the link is down', 'ip link set up dev the tunnel, or `beam up` it again'];
  }
  if (some('noIdentity')) return ['there is no private key', 'set PrivateKey'];
  const errno = sendFailure(peer, circumstances);
  if (errno !== null) {
    return [
      `the system refuses to send (${errno})`,
      `check the route to ${endpoint ?? ''} and this machine's firewall`,
    ];
  }
  if (some('unknownPeer', 'wrongMac1')) {
    return [
      'somebody calls with another key than those configured',
      'compare the public keys of both sides (`beam status`)',
    ];
  }
  if (some('forgedResponse', 'forged')) {
    return [
      'an answer came that is not authentic',
      'compare PresharedKey and the public keys of both sides',
    ];
  }
  if (some('replayedInitiation')) {
    return ["the other side's clock was set back", 'set the clock there, or restart this tunnel'];
  }
  if (peer.receivedBytes === 0) {
    return [
      `nothing ever came from ${endpoint ?? ''}`,
      'check that WireGuard runs there, that its UDP port is open in every firewall between, and ' +
        "that it has this side's public key",
    ];
  }
  return [
    `nothing comes from ${endpoint ?? ''} any more`,
    'check that the other side is up and still has that address; behind NAT, set PersistentKeepalive',
  ];
}

/**
 * Errors of sending are counted for the whole tunnel and since its start: they are this peer's, now,
 * where nothing ever got out to it.
 */
function sendFailure(peer: PeerStatus, circumstances: Circumstances | null): string | null {
  if (circumstances === null || peer.sentBytes > 0) return null;
  const { sendErrors, peers } = circumstances;
  if (peers.length > 1 && peer.persistentKeepaliveS === 0) return null;
  return Object.keys(sendErrors).find((errno) => sendErrors[errno]! > 0) ?? null;
}

export function judgeReceive(name: string, { peer, later }: PeerFacts): Check {
  const latest = later ?? peer;
  const check = new Verdicts('receive', peerSubject(name, peer));
  if (latest.receivedBytes > 0) return check.ok(`received ${latest.receivedBytes} bytes`);
  if (latest.sentBytes === 0) return check.ok('has not been sent anything yet');
  return check.warn(
    `received nothing, although ${latest.sentBytes} bytes were sent`,
    `check the endpoint ${latest.endpoint ?? ''} and the firewalls for UDP both ways`,
  );
}

interface DropSign {
  /** What is normal stays below: neighbours' multicast, a restart, a scan of the port. */
  readonly from: number;
  readonly meaning: string;
  readonly remedy: string;
}

const DROP_SIGNS: Readonly<Record<DropReason, DropSign>> = {
  malformed: {
    from: 1_000,
    meaning: 'packets or datagrams of no known kind',
    remedy: 'check what else sends to the listen port (tcpdump)',
  },
  noPeer: {
    from: 1_000,
    meaning: 'packets for an address that no peer has',
    remedy: 'add the address to AllowedIPs of its peer, or take the route away',
  },
  noEndpoint: {
    from: 10,
    meaning: 'packets for a peer that has no endpoint yet',
    remedy: 'set Endpoint, or let that side call first',
  },
  noSession: {
    from: 1_000,
    meaning: 'datagrams for a session that is gone',
    remedy: 'normal after a restart; if it goes on, look for two machines with the same key',
  },
  expired: {
    from: 100,
    meaning: 'packets past the limits of their session',
    remedy: 'handshakes are not renewed: see the check `handshake`',
  },
  forged: {
    from: 100,
    meaning: 'datagrams that are not authentic',
    remedy: 'look for a damaging link, or for somebody who forges',
  },
  replayed: {
    from: 1_000,
    meaning: 'datagrams that came twice or far too late',
    remedy: 'look for a duplicating or reordering link',
  },
  wrongSource: {
    from: 10,
    meaning: "packets from an address that isn't their peer's",
    remedy: "add the address to that peer's AllowedIPs, or masquerade on its side",
  },
  stagedOverflow: {
    from: 1_000,
    meaning: 'packets that waited too long for a handshake',
    remedy: 'a peer does not answer: see the check `handshake`',
  },
  sendFailed: {
    from: 10,
    meaning: 'datagrams that the system refused to send',
    remedy: "check the route to the endpoints and this machine's firewall",
  },
  tunWriteFailed: {
    from: 10,
    meaning: 'packets that the interface refused',
    remedy: 'check that the interface is up and that its MTU is as large as the other side',
  },
  controlOverflow: {
    from: 1,
    meaning: 'handshakes that came faster than they can be answered',
    remedy: 'look for a flood on the listen port (tcpdump), limit it in the firewall',
  },
};

export function judgeDrops(
  name: string,
  status: Pick<TunnelStatus, 'drops' | 'sendErrors'>,
): Check[] {
  const check = new Verdicts('drops', name);
  const counts = Object.entries(status.drops) as [DropReason, number][];
  const found = counts.flatMap(([reason, count]) => {
    // A daemon of a later version may count more.
    const sign = (DROP_SIGNS as Readonly<Partial<Record<string, DropSign>>>)[reason];
    if (sign === undefined || count < sign.from) return [];
    const errors = reason === 'sendFailed' ? errorsText(status.sendErrors) : '';
    return [check.warn(`dropped ${count} ${sign.meaning} (${reason})${errors}`, sign.remedy)];
  });
  if (found.length > 0) return found;
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return [
    check.ok(
      total === 0
        ? 'dropped nothing'
        : `dropped ${total} ${total === 1 ? 'packet' : 'packets'}, as is normal`,
    ),
  ];
}

function errorsText(errors: Readonly<Record<string, number>>): string {
  const some = Object.entries(errors).filter(([, count]) => count > 0);
  return some.length === 0 ? '' : `: ${some.map(([errno, n]) => `${errno} ${n}`).join(', ')}`;
}
