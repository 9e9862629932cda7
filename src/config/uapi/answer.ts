// What ends the answer to a UAPI request. SPEC.md 6.4.

/** Linux's numbers, negative as wireguard-go sends them. */
export const ERRNO = { OK: 0, EIO: -5, EINVAL: -22, EPROTO: -71, EADDRINUSE: -98 } as const;
export type Errno = (typeof ERRNO)[keyof typeof ERRNO];

/** The last two lines of an answer. */
export const formatErrno = (errno: Errno): string => `errno=${errno}\n\n`;
