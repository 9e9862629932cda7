// Keys of the configuration file. What was found is never shown: it might be one. SPEC.md 7.2, 7.4.
import { keyFromBase64 } from '../../../base/bytes.js';
import type { Report } from '../findings.js';

/** 32 bytes. */
export function wgKey(text: string, report: Report): Uint8Array | null {
  const key = keyFromBase64(text);
  if (key !== null) return key;
  return report.problem({
    code: 'E_CONFIG_WGKEY',
    expected: 'a key of 44 base64 characters, the last of them "="',
    found: describe(text),
    remedy: 'paste the whole key as `beam genkey`, `beam genpsk` or `beam pubkey` printed it',
  });
}

function describe(text: string): string {
  if (text.length !== 44) return `${text.length} characters`;
  const end = text.endsWith('=') ? '' : ', the last of them another';
  const foreign = /^[A-Za-z0-9+/=]*$/.test(text) ? '' : ', some of them not base64';
  return end + foreign === ''
    ? '44 characters that are no 32 bytes'
    : `44 characters${end}${foreign}`;
}
