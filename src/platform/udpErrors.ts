// What an operator is told when a socket can't be opened or marked.
import { OperatorError } from '../base/errors.js';

export const BIND_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program has that port (ss -lunp shows which): stop it or choose another ListenPort',
  EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE: run as root or choose a higher ListenPort',
  EPERM: 'a firewall or security policy refuses the socket (SELinux, AppArmor, a cgroup program)',
  EMFILE: 'raise LimitNOFILE (ulimit -n)',
};

export const bindError = (port: number, errno: string, cause?: unknown): OperatorError =>
  new OperatorError(
    {
      code: 'E_BIND',
      place: port === 0 ? 'a UDP port chosen by the system' : `UDP port ${port}`,
      expected: 'to open it for the tunnel',
      found: errno,
      remedy: BIND_REMEDIES[errno] ?? 'see `beam doctor` for what this system allows',
    },
    { cause },
  );

export const markError = (mark: number, found: string, remedy: string): OperatorError =>
  new OperatorError({
    code: 'E_MARK',
    place: `fwmark 0x${mark.toString(16)}`,
    expected: 'to mark the tunnel’s packets (SO_MARK)',
    found,
    remedy,
  });
