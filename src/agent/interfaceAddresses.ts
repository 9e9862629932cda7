// The addresses that an interface has now, for `save`. SPEC.md 7.5.
import { parseAddress } from '../base/ip.js';
import {
  formatInterfaceAddress,
  type InterfaceAddress,
  type TunnelConfig,
} from '../config/tunnelConfig.js';
import { runCommand } from '../platform/network/command.js';
import { IpTool } from '../platform/network/ipTool.js';

/** Without link-local addresses that the kernel made; null if they can't be read. */
export async function interfaceAddresses(
  interfaceName: string,
  config: TunnelConfig,
): Promise<readonly InterfaceAddress[] | null> {
  const configured = new Set(config.interface.addresses.map(formatInterfaceAddress));
  try {
    const texts = await new IpTool(runCommand).addresses(interfaceName);
    return texts.flatMap((text): InterfaceAddress[] => {
      const [addressText = '', lengthText = ''] = text.split('/');
      const address = parseAddress(addressText);
      if (address === null) return [];
      const found = { address, length: Number(lengthText) };
      return isLinkLocal(found) && !configured.has(formatInterfaceAddress(found)) ? [] : [found];
    });
  } catch {
    // The interface may be in another network namespace: the file's addresses stay.
    return null;
  }
}

/** fe80::/10. */
const isLinkLocal = ({ address: { family, bytes } }: InterfaceAddress): boolean =>
  family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
