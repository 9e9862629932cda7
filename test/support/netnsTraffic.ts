// Traffic through a network under test: pings, files with a hash, iperf3.
import { fileURLToPath } from 'node:url';
import type { Namespace } from './netnsNetwork.js';
import { waitFor } from './netnsProcess.js';
import type { Background } from './netnsProcess.js';

const TOOL = fileURLToPath(new URL('netnsTool.js', import.meta.url));

/** A small program of ours (netnsTool.ts) as a command. */
export const toolCommand = (...args: readonly (string | number)[]): string[] => [
  process.execPath,
  TOOL,
  ...args.map(String),
];

export interface PingOptions {
  readonly count?: number;
  readonly intervalMs?: number;
  /** ICMP payload bytes. */
  readonly payloadBytes?: number;
  readonly waitMs?: number;
  /** Further arguments of ping. */
  readonly args?: readonly string[];
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** In order; milliseconds. */
  readonly timesMs: readonly number[];
}

export async function ping(
  from: Namespace,
  address: string,
  options: PingOptions = {},
): Promise<PingResult> {
  const { count = 3, intervalMs = 10, payloadBytes = 56, waitMs = 1_000, args = [] } = options;
  // With -c alone, ping leaves two round trips after its last packet, and a busy machine is later
  // than that. With -w it waits for `count` answers, and sends more meanwhile: those don't count,
  // and a lone ping stays alone.
  const deadlineS = Math.max(1, Math.round((count * intervalMs + waitMs) / 1000));
  const intervalS = count === 1 ? deadlineS + 1 : intervalMs / 1000;
  const { stdout, stderr } = await from.try(
    ...['ping', '-n', '-c', `${count}`, '-w', `${deadlineS}`, '-i', `${intervalS}`],
    ...['-s', `${payloadBytes}`, ...args, address],
  );
  const summary = /(\d+) packets transmitted/.exec(stdout);
  if (summary === null) throw new Error(`ping ${address}: ${stdout}${stderr}`);
  // A payload that is too short for a timestamp is answered without a time.
  const answers = [...stdout.matchAll(/bytes from .*icmp_seq=(\d+)(?:.* time=([\d.]+) ms)?/g)]
    .map(([, sequence, time]) => ({ sequence: Number(sequence), time }))
    .filter(({ sequence }) => sequence <= count);
  return {
    sent: Math.min(count, Number(summary[1])),
    received: new Set(answers.map(({ sequence }) => sequence)).size,
    timesMs: answers.flatMap(({ time }) => (time === undefined ? [] : [Number(time)])),
  };
}

/** Waits until one ping is answered: a handshake may have to come first. */
export async function waitForPing(
  from: Namespace,
  address: string,
  timeoutMs = 10_000,
): Promise<void> {
  await waitFor(
    `${address} answers ${from.name}`,
    async () => (await ping(from, address, { count: 1, waitMs: 500 })).received === 1,
    { timeoutMs },
  );
}

export interface TransferOptions {
  readonly bytes: number;
  /** 0 for as fast as it goes. */
  readonly bytesPerS?: number;
  readonly timeoutMs?: number;
  readonly port?: number;
}

export interface Transfer {
  readonly receiver: Background;
  readonly sender: Background;
  /** Rejects unless the receiver got exactly what was sent. */
  readonly done: Promise<{ readonly seconds: number }>;
}

/** Starts sending pseudo-random bytes over TCP. */
export async function startTransfer(
  from: Namespace,
  to: { readonly namespace: Namespace; readonly address: string },
  { bytes, bytesPerS = 0, timeoutMs = 30_000, port = 7000 }: TransferOptions,
): Promise<Transfer> {
  const receiver = to.namespace.spawn(toolCommand('receive', to.address, port));
  await waitFor('the receiver listens', () => {
    if (receiver.outcome !== null) throw new Error(`receiver ended: ${receiver.log}`);
    return receiver.stdout.includes('listening');
  });
  const sender = from.spawn(toolCommand('send', to.address, port, bytes, bytesPerS));
  const finish = async (): Promise<{ seconds: number }> => {
    const sent = await finalLine(sender, timeoutMs);
    const received = await finalLine(receiver, timeoutMs);
    if (sent !== received) throw new Error(`sent ${sent}, received ${received}`);
    return { seconds: parseFloat(sender.stdout) };
  };
  const done = finish();
  // The caller awaits it later; a failure until then must not count as unhandled.
  done.catch(() => undefined);
  return { receiver, sender, done };
}

export async function transfer(
  from: Namespace,
  to: { readonly namespace: Namespace; readonly address: string },
  options: TransferOptions,
): Promise<{ readonly seconds: number }> {
  return (await startTransfer(from, to, options)).done;
}

async function finalLine(process: Background, timeoutMs: number): Promise<string> {
  const { status } = await process.waitForEnd(timeoutMs);
  const line = process.stdout.trimEnd().split('\n').at(-1);
  if (status !== 0 || line === undefined) throw new Error(`transfer failed: ${process.log}`);
  return line;
}

export interface Numbered {
  readonly received: number;
  /** How many of them were different. */
  readonly distinct: number;
  /** How many came after a later one. */
  readonly late: number;
  /** How many held other bytes than were sent. */
  readonly damaged: number;
}

/** Sends numbered UDP datagrams and tells what became of them. */
export async function numberedDatagrams(
  from: Namespace,
  to: { readonly namespace: Namespace; readonly address: string },
  options: { count: number; perS: number; bytes?: number; port?: number },
): Promise<Numbered> {
  const { count, perS, bytes = 100, port = 7001 } = options;
  const counter = to.namespace.spawn(toolCommand('count', to.address, port, 1_000));
  await waitFor('the counter listens', () => counter.stdout.includes('listening'));
  await from.run(...toolCommand('number', to.address, port, count, perS, bytes));
  const line = await finalLine(counter, 30_000);
  const [received, distinct, late, damaged] = line.split(' ').map(Number);
  return { received: received!, distinct: distinct!, late: late!, damaged: damaged! };
}

export interface IperfResult {
  readonly bitsPerS: number;
  readonly lostPercent: number;
  readonly packetsPerS: number;
  readonly retransmits: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: {
    readonly sum?: { seconds: number; lost_percent: number; packets: number; lost_packets: number };
    readonly sum_received?: { bits_per_second: number };
    readonly sum_sent?: { retransmits?: number };
  };
}

/** One iperf3 run; arguments are the client's (`-u`, `-P 4`, `-R`…). */
export async function iperf(
  from: Namespace,
  to: { readonly namespace: Namespace; readonly address: string },
  options: { readonly seconds: number; readonly args?: readonly string[] },
): Promise<IperfResult> {
  const server = to.namespace.spawn(['iperf3', '-s', '-1', '--forceflush']);
  await waitFor('iperf3 listens', () => server.log.includes('listening'));
  const { seconds, args = [] } = options;
  const tcp = args.includes('-u') ? [] : ['-C', 'cubic'];
  const command = ['iperf3', '-c', to.address, '-t', `${seconds}`, '-J', ...tcp, ...args];
  const text = await from.runWith({ timeoutMs: seconds * 1000 + 20_000 }, ...command);
  await server.stop();
  const report = JSON.parse(text) as IperfReport;
  const end = report.end;
  if (report.error !== undefined || end === undefined) throw new Error(`iperf3: ${report.error}`);
  const delivered = (end.sum?.packets ?? 0) - (end.sum?.lost_packets ?? 0);
  return {
    bitsPerS: end.sum_received?.bits_per_second ?? 0,
    lostPercent: end.sum?.lost_percent ?? 0,
    packetsPerS: end.sum === undefined ? 0 : delivered / end.sum.seconds,
    retransmits: end.sum_sent?.retransmits ?? 0,
  };
}
