// Peers' names from the comments that other tools write. SPEC.md 7.3, "Names in comments".
import type { PeerDraft } from './drafts.js';
import { isPeerName } from './values/words.js';

/** Forms of wireguard exporters, installers and web interfaces; the first `#` is off already. */
const FORMS: readonly RegExp[] = [
  /^#*\s*(?:friendly_)?name\s*[=:]\s*(.+)$/i,
  /^#*\s*client\s*:\s*(.+)$/i,
  /^##\s*client\s+(.+)$/i,
  /^##\s*begin\s+(.+?)\s*#*$/i,
];

/** The name in a comment; null if there is none or it can't be shown. */
export function nameInComment(text: string): string | null {
  for (const form of FORMS) {
    const name = form.exec(text)?.[1]?.trim();
    if (name !== undefined) return isPeerName(name) ? name : null;
  }
  return null;
}

/** Decides which peer a comment belongs to, told of every line in order. */
export class CommentNames {
  #peer: PeerDraft | null = null;
  #waiting: string | null = null;
  /** The line above the waiting comment is neither blank nor the file's beginning. */
  #attached = false;
  #lastWasContent = false;

  comment(text: string): void {
    const name = nameInComment(text);
    if (name === null || this.#waiting !== null) return;
    this.#waiting = name;
    this.#attached = this.#lastWasContent;
  }

  blank(): void {
    // Under a setting and above a blank line: it ends the section in which it stands.
    if (this.#attached) this.#settle();
    this.#lastWasContent = false;
  }

  setting(): void {
    this.#settle();
    this.#lastWasContent = true;
  }

  /** Null for a section that is no peer. */
  section(peer: PeerDraft | null): void {
    this.#peer = peer;
    this.#settle();
    this.#lastWasContent = true;
  }

  end(): void {
    this.#settle();
  }

  #settle(): void {
    if (this.#peer !== null && this.#waiting !== null) this.#peer.commentName ??= this.#waiting;
    this.#waiting = null;
    this.#attached = false;
  }
}
