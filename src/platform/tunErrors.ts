// What an operator is told when a TUN device can't be had.
import { OperatorError } from '../base/errors.js';

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'load the tun module (modprobe tun); in a container, pass /dev/net/tun in',
  ENODEV: 'load the tun module (modprobe tun)',
  EACCES: 'run as root, or allow the device /dev/net/tun to this service',
  EPERM: 'run as root or with CAP_NET_ADMIN; in a unit, also DeviceAllow=/dev/net/tun rw',
  EBUSY: 'another process has that interface: stop it, or choose another name',
  EINVAL: 'an interface of another kind has that name: remove it, or choose another name',
  EBADFD: 'hand over an open descriptor of /dev/net/tun that an interface is attached to',
  EBADF: 'hand over an open descriptor of /dev/net/tun that an interface is attached to',
  ENOTTY: 'hand over an open descriptor of /dev/net/tun that an interface is attached to',
  'not a valid name': 'use 1 to 15 bytes, no slash, colon, percent sign or white space among them',
  EPROTO: 'set IFF_TUN | IFF_NO_PI, and not IFF_VNET_HDR or IFF_TAP, before handing it over',
};

/** `place` names the interface or the descriptor. */
export const tunError = (place: string, errno: string): OperatorError =>
  new OperatorError({
    code: 'E_TUN',
    place,
    expected: 'a TUN device',
    found: errno,
    remedy: REMEDIES[errno] ?? 'see `beam doctor` for what this system allows',
  });

export const mtuError = (place: string, mtu: number, errno: string): OperatorError =>
  new OperatorError({
    code: 'E_TUN_MTU',
    place,
    expected: `an MTU from 68 to 65535, not ${mtu}`,
    found: errno,
    remedy: 'choose an MTU that the interface takes; an interface with IPv6 needs at least 1280',
  });

/** The kernel's rule (dev_valid_name), without its `%d` patterns. */
export const isInterfaceName = (name: string): boolean =>
  /^[^\s/:%\0]+$/.test(name) && Buffer.byteLength(name) <= 15 && name !== '.' && name !== '..';
