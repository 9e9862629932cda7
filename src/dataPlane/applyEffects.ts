// Carries out what the device decided: one effect, one call. SPEC.md 5.1.
import { assertNever } from '../base/assert.js';
import type { DataPlaneEffect, DeviceEffect, LogEffect } from '../peer/deviceEffects.js';
import type { DataPlane } from '../ports/dataPlane.js';

/** Applies the effects in order; `log` gets the lines. */
export function applyEffects(
  effects: readonly DeviceEffect[],
  dataPlane: DataPlane,
  log: (line: LogEffect) => void,
): void {
  for (const effect of effects) {
    if (effect.kind === 'log') log(effect);
    else applyEffect(effect, dataPlane);
  }
}

function applyEffect(effect: DataPlaneEffect, dataPlane: DataPlane): void {
  switch (effect.kind) {
    case 'setLocalPublicKey':
      return dataPlane.setLocalPublicKey(effect.publicKey);
    case 'addPeer':
      return dataPlane.addPeer(effect.peer);
    case 'removePeer':
      return dataPlane.removePeer(effect.peer);
    case 'setPath':
      return dataPlane.setPath(effect.peer, effect.path);
    case 'clearLocalAddress':
      return dataPlane.clearLocalAddress(effect.peer);
    case 'changeAllowedIps':
      return dataPlane.changeAllowedIps(effect.peer, effect.change);
    case 'installKeys':
      return dataPlane.installKeys(effect.keys);
    case 'expireKeys':
      return dataPlane.expireKeys(effect.peer);
    case 'dropKeys':
      return dataPlane.dropKeys(effect.peer);
    case 'dropStaged':
      return dataPlane.dropStaged(effect.peer);
    case 'sendKeepalive':
      return dataPlane.sendKeepalive(effect.peer);
    case 'sendToPeer':
      return dataPlane.sendToPeer(effect.peer, effect.bytes, effect.trafficClass);
    case 'sendTo':
      return dataPlane.sendTo(effect.path, effect.bytes, effect.trafficClass);
    case 'countControlReceived':
      return dataPlane.countControlReceived(effect.peer, effect.bytes);
    default:
      return assertNever(effect);
  }
}
