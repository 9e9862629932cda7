// beam key destroy: ends keys for good, and says what that is worth. SPEC.md 10.16 and 10.17.
import { OperatorError } from '../../base/errors.js';
import { managerOf } from '../../agent/keys/keyStoreService.js';
import { tunnelKeyRecord } from '../../agent/keys/tunnelKeySource.js';
import type { StoreSession } from '../../agent/keys/storeSession.js';
import { destroyFile } from '../../platform/keyStore/destroyFile.js';
import { lastGoodPath } from '../../platform/keyStore/storeFile.js';
import { withStoreLock } from '../../platform/keyStore/storeLock.js';
import { confirm } from '../key/inputs.js';
import { placeOf, withStore, type StoreArguments } from '../key/openSession.js';
import { EXIT, say, usageError } from '../report.js';

export interface DestroyArguments extends StoreArguments {
  /** `identity`, or a tunnel whose keys are ended. */
  readonly what: string | undefined;
  /** The whole store. */
  readonly all: boolean;
  readonly yes: boolean;
}

const HONEST =
  'On flash and copy-on-write storage, and in backups, older copies may remain: they open with the ' +
  'passphrase, the recovery key or the TPM as before.';

export async function destroy(args: DestroyArguments): Promise<number> {
  if ((args.what === undefined) !== args.all) {
    return usageError('key destroy takes identity, a tunnel, or --all', null);
  }
  return args.all ? destroyStore(args) : destroyKeys(args, args.what!);
}

/** Needs no passphrase: who may remove the file may do this. */
async function destroyStore(args: DestroyArguments): Promise<number> {
  const { path } = placeOf(args);
  const warning = `This ends every key in ${path}: the identity and all tunnels' keys. ${HONEST}`;
  if (!(await confirm(path, warning, args.yes))) return notConfirmed();
  await withStoreLock(path, async () => {
    const found = [
      await destroyFile(path),
      await destroyFile(lastGoodPath(path)),
      await destroyFile(`${path}.new`),
      await destroyFile(`${lastGoodPath(path)}.new`),
    ];
    if (!found.some(Boolean)) throw nothingThere(path, 'a key store');
  });
  say(`${path} was overwritten and removed. ${HONEST}`);
  return EXIT.OK;
}

const destroyKeys = (args: DestroyArguments, what: string): Promise<number> =>
  withStore(args, async (session) => {
    const warning = `This ends ${what === 'identity' ? 'the identity' : `the keys of tunnel ${what}`}. ${HONEST}`;
    if (!(await confirm(what, warning, args.yes))) return notConfirmed();
    const ended = await (what === 'identity'
      ? managerOf(session).destroy({ kind: 'identity' })
      : destroyTunnel(session, what));
    if (!ended) throw nothingThere(what, 'keys of this name');
    // The last good file still holds what was just ended: a further write replaces it.
    await session.save();
    say(`${what}: destroyed. ${HONEST}`);
    return EXIT.OK;
  });

async function destroyTunnel(session: StoreSession, tunnel: string): Promise<boolean> {
  const manager = managerOf(session);
  let ended = false;
  for (const { name } of await manager.list()) {
    if (name.kind === 'tunnel' && name.tunnelId === tunnel) {
      ended = (await manager.destroy(name)) || ended;
    }
  }
  if (session.store.remove(tunnelKeyRecord(tunnel))) {
    await session.save();
    ended = true;
  }
  return ended;
}

function notConfirmed(): number {
  say('nothing was destroyed');
  return EXIT.OPERATOR;
}

const nothingThere = (place: string, expected: string): OperatorError =>
  new OperatorError({
    code: 'E_NO_KEY',
    place,
    expected,
    found: 'none',
    remedy: 'see `beam key list`',
  });
