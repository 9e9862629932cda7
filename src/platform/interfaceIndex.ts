// Interface names and their indices, as zones of link-local addresses need them.
import { readFileSync } from 'node:fs';

const MAX_NAME_BYTES = 15;

/** The index of the named interface in this network namespace; null if there is none. */
export function interfaceIndex(name: string): number | null {
  if (name.length > MAX_NAME_BYTES || !/^[^/\s]+$/.test(name) || name.startsWith('.')) return null;
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
  } catch {
    return null;
  }
}
