// Previous, current and next session of a peer, and who gives way to whom. SPEC.md 4.1.

/** The least a keyring must know of a session. */
export interface Keyed {
  readonly role: 'initiator' | 'responder';
}

export type Slot = 'previous' | 'current' | 'next';

/** Owns up to three sessions; `drop` is called once for each that leaves. */
export class Keyring<Session extends Keyed> {
  readonly #drop: (session: Session) => void;
  #previous: Session | null = null;
  #current: Session | null = null;
  #next: Session | null = null;

  constructor(drop: (session: Session) => void) {
    this.#drop = drop;
  }

  /** What packets are sent under. */
  get current(): Session | null {
    return this.#current;
  }

  get next(): Session | null {
    return this.#next;
  }

  get previous(): Session | null {
    return this.#previous;
  }

  /** Takes a new session in. */
  install(session: Session): void {
    if (session.role === 'initiator') this.#installInitiated(session);
    else this.#installResponded(session);
  }

  #installInitiated(session: Session): void {
    const pushedOut = this.#next === null ? [this.#previous] : [this.#previous, this.#current];
    this.#previous = this.#next ?? this.#current;
    this.#next = null;
    this.#current = session;
    this.#dropAll(pushedOut);
  }

  #installResponded(session: Session): void {
    const pushedOut = [this.#previous, this.#next];
    this.#previous = null;
    this.#next = session;
    this.#dropAll(pushedOut);
  }

  /**
   * Notes an authentic packet under `session`. True if that made it current: the peer has shown
   * that it holds the keys.
   */
  confirm(session: Session): boolean {
    if (session !== this.#next) return false;
    const pushedOut = [this.#previous];
    this.#previous = this.#current;
    this.#current = session;
    this.#next = null;
    this.#dropAll(pushedOut);
    return true;
  }

  /** Takes one session out; true if it was the current one. */
  drop(session: Session): boolean {
    const wasCurrent = session === this.#current;
    if (wasCurrent) this.#current = null;
    if (session === this.#previous) this.#previous = null;
    if (session === this.#next) this.#next = null;
    this.#dropAll([session]);
    return wasCurrent;
  }

  dropAll(): void {
    const all = [this.#previous, this.#current, this.#next];
    this.#previous = this.#current = this.#next = null;
    this.#dropAll(all);
  }

  #dropAll(sessions: readonly (Session | null)[]): void {
    for (const session of sessions) if (session !== null) this.#drop(session);
  }
}
