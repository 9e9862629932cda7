// Takes the private key out of a configuration file's text and names the store in its place; every
// other line stays as it is. SPEC.md 10.14.
import { DEFAULT_STORE_PATH } from '../../keyStore/storeFormat.js';

/** The settings that take the key's place. */
export interface StoreReference {
  readonly storePath: string;
  /** Null for the credential `beam-passphrase`. */
  readonly passphrase: string | null;
}

/** The text without any PrivateKey; null if it has none. */
export function withoutPrivateKey(text: string, reference: StoreReference): string | null {
  const lines = text.split('\n');
  const first = lines.findIndex(isPrivateKey);
  if (first < 0) return null;
  const kept = lines.flatMap((line, i) => {
    if (i !== first) return isPrivateKey(line) ? [] : [line];
    const end = line.endsWith('\r') ? '\r' : '';
    return referenceLines(reference).map((one) => `${one}${end}`);
  });
  return kept.join('\n');
}

/** As SPEC.md 7.1 recognises a setting: in any case, white space inside the key ignored. */
const isPrivateKey = (line: string): boolean =>
  /^[^#=]*=/.test(line) &&
  line.slice(0, line.indexOf('=')).replaceAll(/\s/g, '').toLowerCase() === 'privatekey';

function referenceLines({ storePath, passphrase }: StoreReference): string[] {
  const path = storePath === DEFAULT_STORE_PATH ? 'default' : storePath;
  return [
    '#: [Beam]',
    `#: PrivateKeyStore = ${path}`,
    ...(passphrase === null ? [] : [`#: StorePassphrase = ${passphrase}`]),
  ];
}
