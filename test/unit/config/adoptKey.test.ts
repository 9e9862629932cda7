import test from 'ava';
import { withoutPrivateKey } from '../../../src/config/file/adoptKey.js';
import { DEFAULT_STORE_PATH } from '../../../src/keyStore/storeFormat.js';
import { accept, key } from './sample.js';

const reference = { storePath: DEFAULT_STORE_PATH, passphrase: null };
const NAMED = '#: [Beam]\n#: PrivateKeyStore = default';

test('the key’s line is replaced, and every other line stays as it is', (t) => {
  const text = `# top\n[Interface]\nListenPort = 5 # five\nPrivateKey = ${key('own')} # secret\n\n[Peer]\nPublicKey = ${key('a')}\n`;
  const next = withoutPrivateKey(text, reference)!;
  t.is(next, text.replace(/PrivateKey = .*/, NAMED));
  const { config } = accept(t, next);
  t.is(config.interface.privateKey, null);
  t.is(config.interface.privateKeyStore, DEFAULT_STORE_PATH);
  t.is(config.interface.listenPort, 5);
  t.is(config.peers.length, 1);
});

test('a key that is written in another way, or twice, goes as well', (t) => {
  for (const line of ['privatekey=@', '  PRIVATEKEY =@', 'Private Key = @', '\tPrivateKey\t=\t@']) {
    const own = line.replace('@', key('own'));
    const next = withoutPrivateKey(`[Interface]\n${own}\n${own}\n`, reference);
    t.is(next, `[Interface]\n${NAMED}\n`, line);
  }
});

test('comments that only look like a key stay', (t) => {
  for (const text of [
    '[Interface]\n',
    '[Interface]\n# PrivateKey = x\n',
    '[Interface]\nPostUp = wg set %i private-key /k; echo PrivateKey = x\n',
    '',
  ]) {
    t.is(withoutPrivateKey(text, reference), null, text);
  }
});

test('line ends of Windows are kept, and another store and its passphrase are named', (t) => {
  const named = { storePath: '/srv/keys', passphrase: 'beam-passphrase' };
  const next = withoutPrivateKey(`[Interface]\r\nPrivateKey = ${key('own')}\r\n`, named)!;
  t.is(
    next,
    '[Interface]\r\n#: [Beam]\r\n#: PrivateKeyStore = /srv/keys\r\n#: StorePassphrase = beam-passphrase\r\n',
  );
  t.is(accept(t, next).config.interface.storePassphrase, 'beam-passphrase');
});
