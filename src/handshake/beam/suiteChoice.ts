// Which version and suite come of two offers (SPEC.md 11.10). Both sides compute it.
import type { Suite } from '../../ports/dataPlane.js';
import type { Choice, Offer } from '../../wire/beamMessages.js';
import { SUITE_BITS, VERSION_1 } from '../../wire/beamMessages.js';

const { 'aes-256-gcm': AES, 'chacha20-poly1305': CHACHA } = SUITE_BITS;

/** This device's offer: both suites, AES as fast where the CPU has instructions for it. */
export const localOffer = (hasAesInstructions: boolean): Offer => ({
  versions: VERSION_1,
  suites: AES | CHACHA,
  fast: hasAesInstructions ? AES | CHACHA : CHACHA,
});

/** The suite's name; null where the two have none in common. */
export function chooseSuite(a: Offer, b: Offer): Suite | null {
  const common = a.suites & b.suites;
  if ((common & a.fast & b.fast & AES) !== 0) return 'aes-256-gcm';
  if ((common & CHACHA) !== 0) return 'chacha20-poly1305';
  return (common & AES) !== 0 ? 'aes-256-gcm' : null;
}

/** True if the responder chose as both sides must. Its offer is in the choice. */
export function isRightChoice(ours: Offer, choice: Choice): boolean {
  const suite = chooseSuite(ours, choice);
  return choice.version === VERSION_1 && suite !== null && choice.suite === SUITE_BITS[suite];
}
