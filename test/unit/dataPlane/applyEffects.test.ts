// Each effect is one call, with what it carries.
import test from 'ava';
import { applyEffects } from '../../../src/dataPlane/applyEffects.js';
import type { DeviceEffect, LogEffect } from '../../../src/peer/deviceEffects.js';
import type { DataPlane, SessionKeys } from '../../../src/ports/dataPlane.js';
import { peerId } from '../../../src/ports/dataPlane.js';

const peer = peerId(3);
const bytes = Uint8Array.of(1, 2);
const path = {
  remote: { family: 4, address: '192.0.2.1', port: 1, scopeId: 0 },
  local: null,
} as const;
const change = { replace: true, add: [], remove: [] };
const keys = { peer } as SessionKeys;

const EFFECTS: readonly (readonly [DeviceEffect, readonly unknown[]])[] = [
  [{ kind: 'setLocalPublicKey', publicKey: bytes }, [bytes]],
  [{ kind: 'addPeer', peer }, [peer]],
  [{ kind: 'removePeer', peer }, [peer]],
  [{ kind: 'setPath', peer, path }, [peer, path]],
  [{ kind: 'clearLocalAddress', peer }, [peer]],
  [{ kind: 'changeAllowedIps', peer, change }, [peer, change]],
  [{ kind: 'installKeys', keys }, [keys]],
  [{ kind: 'expireKeys', peer }, [peer]],
  [{ kind: 'dropKeys', peer }, [peer]],
  [{ kind: 'dropStaged', peer }, [peer]],
  [{ kind: 'sendKeepalive', peer }, [peer]],
  [{ kind: 'sendToPeer', peer, bytes, trafficClass: 5 }, [peer, bytes, 5]],
  [{ kind: 'sendTo', path, bytes, trafficClass: 6 }, [path, bytes, 6]],
  [{ kind: 'countControlReceived', peer, bytes: 148 }, [peer, 148]],
];

test('effects become calls of the same name, in order', (t) => {
  const calls: [string, readonly unknown[]][] = [];
  const recorder = new Proxy({} as DataPlane, {
    get:
      (_, name) =>
      (...args: unknown[]): void => {
        calls.push([String(name), args]);
      },
  });
  const line: LogEffect = { kind: 'log', level: 'info', message: 'm', peer: null, endpoint: null };
  const lines: LogEffect[] = [];
  applyEffects([line, ...EFFECTS.map(([effect]) => effect)], recorder, (text) => lines.push(text));
  t.deepEqual(
    calls,
    EFFECTS.map(([effect, args]) => [effect.kind, args]),
  );
  t.deepEqual(lines, [line]);
});
