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
    case 'setLocalPublicKey': {
      dataPlane.setLocalPublicKey(effect.publicKey);
      return;
    }
    case 'addPeer': {
      dataPlane.addPeer(effect.peer);
      return;
    }
    case 'removePeer': {
      dataPlane.removePeer(effect.peer);
      return;
    }
    case 'setPath': {
      dataPlane.setPath(effect.peer, effect.path);
      return;
    }
    case 'clearLocalAddress': {
      dataPlane.clearLocalAddress(effect.peer);
      return;
    }
    case 'changeAllowedIps': {
      dataPlane.changeAllowedIps(effect.peer, effect.change);
      return;
    }
    case 'installKeys': {
      dataPlane.installKeys(effect.keys);
      return;
    }
    case 'expireKeys': {
      dataPlane.expireKeys(effect.peer);
      return;
    }
    case 'dropKeys': {
      dataPlane.dropKeys(effect.peer);
      return;
    }
    case 'dropStaged': {
      dataPlane.dropStaged(effect.peer);
      return;
    }
    case 'sendKeepalive': {
      dataPlane.sendKeepalive(effect.peer);
      return;
    }
    case 'sendToPeer': {
      dataPlane.sendToPeer(effect.peer, effect.bytes, effect.trafficClass);
      return;
    }
    case 'sendTo': {
      dataPlane.sendTo(effect.path, effect.bytes, effect.trafficClass);
      return;
    }
    case 'countControlReceived': {
      dataPlane.countControlReceived(effect.peer, effect.bytes);
      return;
    }
    default:
      return assertNever(effect);
  }
}
