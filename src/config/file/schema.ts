// Every section and setting of a configuration file: who else reads it, how its value is read, what
// an empty value and a repetition mean. SPEC.md 7.2; the defaults are in drafts.ts.
import { isZero } from '../../base/bytes.js';
import { Secret } from '../../base/secret.js';
import { prefixKey, setSecret } from './drafts.js';
import type { BeamDraft, InterfaceDraft, PeerDraft } from './drafts.js';
import type { Report } from './findings.js';
import { withoutWhite } from './lines.js';
import { dns, interfaceAddresses } from './values/addresses.js';
import { endpoint } from './values/endpoint.js';
import { fwmark, keepaliveS, listenPort, mtu, queues, resolutionS } from './values/numbers.js';
import { allowedIps, table } from './values/routes.js';
import { wgKey } from './values/wgKey.js';
import { boolean, engine, keyFile, keyStore, logLevel, peerName } from './values/words.js';

export interface KeySpec<Draft> {
  readonly name: string;
  /** Who reads it beside Beam: `wg` (and wg-quick), `quick` (wg-quick alone), `beam` (nobody). */
  readonly reader: 'wg' | 'quick' | 'beam';
  /** Reads the value into the draft; the draft stays as it was if there is a problem. */
  readonly read: (draft: Draft, value: string, report: Report) => void;
  /** An empty value means the default instead of being an error. */
  readonly mayBeEmpty: boolean;
  /** Repeated lines add up instead of replacing each other. */
  readonly collects: boolean;
}

/** What is special about a setting. */
type Traits = Partial<Pick<KeySpec<unknown>, 'mayBeEmpty' | 'collects'>>;

const QUICK_LIST: Traits = { mayBeEmpty: true, collects: true };

function key<Draft, Value>(
  [reader, name]: readonly [KeySpec<Draft>['reader'], string],
  parse: (text: string, report: Report) => Value | null,
  assign: (draft: Draft, value: Value) => void,
  traits: Traits = {},
): KeySpec<Draft> {
  return {
    name,
    reader,
    read(draft, value, report) {
      const parsed = parse(reader === 'wg' ? withoutWhite(value) : value, report);
      if (parsed !== null) assign(draft, parsed);
    },
    mayBeEmpty: false,
    collects: false,
    ...traits,
  };
}

type HookField = 'preUp' | 'postUp' | 'preDown' | 'postDown';

const hook = (name: string, field: HookField): KeySpec<InterfaceDraft> =>
  key(
    ['quick', name],
    (text) => text,
    (draft, command) => {
      if (command !== '') draft[field] = [...draft[field], command];
    },
    QUICK_LIST,
  );

/** Zeros mean "no key" to `wg`. */
const secretOrNone = (bytes: Uint8Array): Secret | null =>
  isZero(bytes) ? null : new Secret(bytes);

const INTERFACE_KEYS: readonly KeySpec<InterfaceDraft>[] = [
  key(['wg', 'PrivateKey'], wgKey, (draft, bytes) =>
    setSecret(draft, 'privateKey', secretOrNone(bytes)),
  ),
  key(['wg', 'ListenPort'], listenPort, (draft, { port }) => (draft.listenPort = port)),
  key(['wg', 'FwMark'], fwmark, (draft, value) => (draft.fwmark = value)),
  key(
    ['quick', 'Address'],
    interfaceAddresses,
    (draft, addresses) => (draft.addresses = [...draft.addresses, ...addresses]),
    QUICK_LIST,
  ),
  key(
    ['quick', 'DNS'],
    dns,
    (draft, { servers, search }) => {
      draft.dns = {
        servers: [...draft.dns.servers, ...servers],
        search: [...draft.dns.search, ...search],
      };
    },
    QUICK_LIST,
  ),
  key(
    ['quick', 'MTU'],
    (text, report) => (text === '' ? { mtu: null } : wrapMtu(mtu(text, report))),
    (draft, value) => (draft.mtu = value.mtu),
    { mayBeEmpty: true },
  ),
  key(['quick', 'Table'], table, (draft, value) => (draft.table = value), { mayBeEmpty: true }),
  hook('PreUp', 'preUp'),
  hook('PostUp', 'postUp'),
  hook('PreDown', 'preDown'),
  hook('PostDown', 'postDown'),
  key(['quick', 'SaveConfig'], boolean, (draft, value) => (draft.saveConfig = value)),
];

const wrapMtu = (value: number | null): { mtu: number } | null =>
  value === null ? null : { mtu: value };

const PEER_KEYS: readonly KeySpec<PeerDraft>[] = [
  key(['wg', 'PublicKey'], wgKey, (draft, bytes) => (draft.publicKey = bytes)),
  key(['wg', 'PresharedKey'], wgKey, (draft, bytes) =>
    setSecret(draft, 'presharedKey', secretOrNone(bytes)),
  ),
  key(
    ['wg', 'AllowedIPs'],
    allowedIps,
    (draft, edits) => {
      for (const { edit, prefix } of edits) {
        if (edit === 'add') draft.allowedIps.set(prefixKey(prefix), prefix);
        else draft.allowedIps.delete(prefixKey(prefix));
      }
    },
    { mayBeEmpty: true, collects: true },
  ),
  key(['wg', 'Endpoint'], endpoint, (draft, value) => (draft.endpoint = value)),
  key(['wg', 'PersistentKeepalive'], keepaliveS, (draft, value) => {
    draft.persistentKeepaliveS = value;
  }),
  key(['beam', 'Name'], peerName, (draft, value) => (draft.name = value)),
];

const BEAM_KEYS: readonly KeySpec<BeamDraft>[] = [
  key(['beam', 'Engine'], engine, (draft, value) => (draft.engine = value)),
  key(['beam', 'Queues'], queues, (draft, value) => (draft.queues = value)),
  key(['beam', 'EndpointResolution'], resolutionS, (draft, value) => {
    draft.endpointResolutionS = value;
  }),
  key(['beam', 'LogLevel'], logLevel, (draft, value) => (draft.logLevel = value)),
  key(['beam', 'PrivateKeyFile'], keyFile, (draft, value) => (draft.privateKeyFile = value)),
  key(['beam', 'PrivateKeyStore'], keyStore, (draft, value) => (draft.privateKeyStore = value)),
  key(['beam', 'StorePassphrase'], keyFile, (draft, value) => (draft.storePassphrase = value)),
];

export const SCHEMA = {
  Interface: INTERFACE_KEYS,
  Peer: PEER_KEYS,
  Beam: BEAM_KEYS,
} as const;
export type SectionName = keyof typeof SCHEMA;
export const SECTION_NAMES = Object.keys(SCHEMA) as readonly SectionName[];

/** Sections and keys are recognised in any case. */
export function findSection(name: string): SectionName | null {
  const lower = name.toLowerCase();
  return SECTION_NAMES.find((section) => section.toLowerCase() === lower) ?? null;
}

export function findKey<Spec extends { readonly name: string }>(
  keys: readonly Spec[],
  name: string,
): Spec | null {
  const lower = name.toLowerCase();
  return keys.find((spec) => spec.name.toLowerCase() === lower) ?? null;
}

/** A setting that `wg` or wg-quick reads, in whichever section. */
export const isForOthers = (name: string): boolean =>
  SECTION_NAMES.some((section) => {
    const spec = findKey<{ name: string; reader: string }>(SCHEMA[section], name);
    return spec !== null && spec.reader !== 'beam';
  });
