// The Beam handshake as a symbolic model (SPEC.md 11.16), and a search through everything that an attacker
// who owns the network can do to a few processes of honest parties. Bounded: the processes are given.
import type { Knowledge, Symmetric } from './symbolicTerms.js';
import {
  afterSealing,
  ciphertext,
  derivesKey,
  dh,
  mixHash,
  mixKey,
  publicKey,
  sealedTerm,
  sharedSecret,
  start,
} from './symbolicTerms.js';

export type Party = 'A' | 'B' | 'M';
type Protocol = 'hybrid' | 'classical';
/** Whether AES-256-GCM is fast there. */
type Offer = 'fast' | 'slow';

/** Checks that the true handshake makes; a test takes one away to see the search find out. */
export interface Model {
  readonly hashesOffers: boolean;
  readonly checksChoice: boolean;
  readonly hashesCallee: boolean;
  readonly mixesKem: boolean;
  readonly mixesDh: boolean;
  readonly signsTranscript: boolean;
  readonly signsRole: boolean;
  readonly checksTunnelKey: boolean;
  readonly checksCalled: boolean;
}
export const BEAM: Model = {
  hashesOffers: true,
  checksChoice: true,
  hashesCallee: true,
  mixesKem: true,
  mixesDh: true,
  signsTranscript: true,
  signsRole: true,
  checksTunnelKey: true,
  checksCalled: true,
};

export interface InitiatorSetup {
  readonly role: 'initiator';
  readonly owner: Party;
  readonly callee: Party;
  readonly protocol: Protocol;
}
export interface ResponderSetup {
  readonly role: 'responder';
  readonly owner: Party;
}
export type Setup = InitiatorSetup | ResponderSetup;

export interface Process {
  readonly setup: Setup;
  readonly name: string;
  /** What it waits for; `done` is an installed session, `failed` an end without one. */
  readonly waits: 'hello' | 'answer' | 'finish' | 'welcome' | 'done' | 'failed';
  readonly symmetric: Symmetric;
  readonly protocol: Protocol;
  readonly suite: string;
  /** The other end's public keys, as far as known. */
  readonly remoteEphemeral: string;
  readonly remoteStatic: string;
  readonly peer: Party | null;
}

export interface World {
  readonly processes: readonly Process[];
  readonly seen: ReadonlySet<string>;
}

const PARTIES: readonly Party[] = ['A', 'B', 'M'];
const staticOf = (party: Party): string => `s${party}`;
const STATIC_KEYS = PARTIES.map((party) => publicKey(staticOf(party)));
const OFFERS: readonly Offer[] = ['fast', 'slow'];
const SUITES = ['AES', 'ChaCha'] as const;
const suiteOf = (a: Offer, b: Offer): string => (a === 'fast' && b === 'fast' ? 'AES' : 'ChaCha');
const ATTACKER = { ephemeral: 'eM', kem: 'kM', random: 'rM' } as const;

/** Credentials that exist, and that M can make: M may call anybody's tunnel key its own. */
interface Credential {
  readonly party: Party;
  readonly tunnelKey: string;
}
const CREDENTIALS: readonly Credential[] = [
  ...PARTIES.map((party) => ({ party, tunnelKey: publicKey(staticOf(party)) })),
  { party: 'M', tunnelKey: publicKey('sA') },
  { party: 'M', tunnelKey: publicKey('sB') },
];

export class Search {
  readonly #model: Model;
  readonly #knownSecrets: ReadonlySet<string>;
  readonly #stolenIdentities: ReadonlySet<Party>;

  constructor(
    model: Model,
    stolen: { readonly secrets?: readonly string[]; readonly identities?: readonly Party[] } = {},
  ) {
    this.#model = model;
    const own = [ATTACKER.ephemeral, ATTACKER.kem, ATTACKER.random, 'sM'];
    this.#knownSecrets = new Set([...own, ...(stolen.secrets ?? [])]);
    this.#stolenIdentities = new Set(['M', ...(stolen.identities ?? [])]);
  }

  knowledge(world: World): Knowledge {
    return { secrets: this.#knownSecrets, seen: world.seen };
  }

  /** Every world that can come about, once. */
  *worlds(setups: readonly Setup[]): Generator<World> {
    const done = new Set<string>();
    const open = [this.#begin(setups)];
    for (let world = open.pop(); world !== undefined; world = open.pop()) {
      const key = JSON.stringify(world.processes.map(processKey));
      if (done.has(key)) continue;
      done.add(key);
      yield world;
      open.push(...this.#successors(world));
    }
  }

  #begin(setups: readonly Setup[]): World {
    const processes = setups.map((setup, i): Process => {
      const base = {
        setup,
        name: String(i),
        suite: '',
        remoteEphemeral: '',
        remoteStatic: '',
        peer: null,
      };
      if (setup.role === 'responder') {
        return { ...base, waits: 'hello', symmetric: start(''), protocol: 'hybrid' };
      }
      // e, e1
      const { protocol } = setup;
      let symmetric = this.#start(setup.callee, protocol, 'fast');
      symmetric = mixHash(symmetric, publicKey(`e${i}`));
      if (protocol === 'hybrid') symmetric = mixHash(symmetric, publicKey(`k${i}`));
      return { ...base, waits: 'answer', symmetric, protocol };
    });
    // What a hello shows is public anyway: all public keys are the attacker's to use.
    return { processes, seen: new Set() };
  }

  #start(callee: Party, protocol: Protocol, offer: Offer): Symmetric {
    const { hashesCallee, hashesOffers } = this.#model;
    return start(`${hashesCallee ? callee : ''} ${hashesOffers ? `${protocol} ${offer}` : ''}`);
  }

  #successors(world: World): World[] {
    return world.processes.flatMap((process, i) => {
      const outcomes = this.#outcomes(world, process);
      return outcomes.map(({ next, sent }) => ({
        processes: world.processes.map((other, j) => (i === j ? next : other)),
        seen: sent.length === 0 ? world.seen : new Set([...world.seen, ...sent]),
      }));
    });
  }

  #outcomes(world: World, process: Process): Outcome[] {
    switch (process.waits) {
      case 'hello':
        return this.#hellos(world, process);
      case 'answer':
        return this.#answers(world, process);
      case 'finish':
        return this.#finishes(world, process);
      case 'welcome':
        return this.#welcomes(world, process);
      default:
        return [];
    }
  }

  /** Every hello that anybody could make, and the answer to it. */
  #hellos(world: World, process: Process): Outcome[] {
    const ephemerals = [ATTACKER.ephemeral, ...world.processes.map(({ name }) => `e${name}`)];
    const kems = [ATTACKER.kem, ...initiators(world).map(({ name }) => `k${name}`)];
    const outcomes: Outcome[] = [];
    for (const offer of OFFERS) {
      for (const ephemeral of ephemerals) {
        outcomes.push(
          this.#answerTo(process, { protocol: 'classical', offer, ephemeral, kem: '' }),
        );
        for (const kem of kems) {
          outcomes.push(this.#answerTo(process, { protocol: 'hybrid', offer, ephemeral, kem }));
        }
      }
    }
    return outcomes;
  }

  #answerTo(
    process: Process,
    hello: { protocol: Protocol; offer: Offer; ephemeral: string; kem: string },
  ): Outcome {
    const { protocol, offer, ephemeral, kem } = hello;
    const { owner } = process.setup;
    const own = `e${process.name}`;
    let state = this.#start(owner, protocol, offer);
    state = mixHash(state, publicKey(ephemeral));
    if (protocol === 'hybrid') state = mixHash(state, publicKey(kem));
    const sent: string[] = [];
    const seal = (plaintext: string): void => {
      sent.push(sealedTerm(state, plaintext));
      state = afterSealing(state, plaintext);
    };
    // e, ee
    state = mixHash(state, publicKey(own));
    if (this.#model.mixesDh) state = mixKey(state, dh(own, ephemeral));
    // ekem1
    if (protocol === 'hybrid') {
      seal(ciphertext(kem, `r${process.name}`));
      if (this.#model.mixesKem) state = mixKey(state, sharedSecret(kem, `r${process.name}`));
    }
    // s, es
    seal(publicKey(staticOf(owner)));
    if (this.#model.mixesDh) state = mixKey(state, dh(staticOf(owner), ephemeral));
    const suite = suiteOf(offer, 'fast');
    seal(`choice(fast,${suite})`);
    const next: Process = {
      ...process,
      waits: 'finish',
      symmetric: state,
      protocol,
      suite,
      remoteEphemeral: ephemeral,
    };
    return { next, sent };
  }

  /** Every answer that the initiator opens: made by somebody who has the keys, or seen before. */
  #answers(world: World, process: Process): Outcome[] {
    const own = `e${process.name}`;
    const outcomes: Outcome[] = [];
    for (const remote of [ATTACKER.ephemeral, ...world.processes.map(({ name }) => `e${name}`)]) {
      // e, ee
      let first = mixHash(process.symmetric, publicKey(remote));
      if (this.#model.mixesDh) first = mixKey(first, dh(own, remote));
      for (const second of this.#ekem1(world, process, first)) {
        // s, es
        for (const key of STATIC_KEYS) {
          const third = this.#opened(world, second, key);
          if (third === null) continue;
          const secret = key.slice('pub('.length, -1);
          const fourth = this.#model.mixesDh ? mixKey(third, dh(own, secret)) : third;
          for (const { choice, suite } of this.#choices()) {
            const symmetric = this.#opened(world, fourth, choice);
            if (symmetric === null) continue;
            const known = { remoteStatic: key, remoteEphemeral: remote };
            outcomes.push(this.#finish(world, { ...process, ...known, suite, symmetric }));
          }
        }
      }
    }
    return outcomes;
  }

  /** What a responder may say that it offers and chose, as far as the initiator takes it. */
  #choices(): readonly { readonly choice: string; readonly suite: string }[] {
    const all = OFFERS.flatMap((offer) => SUITES.map((suite) => ({ offer, suite })));
    return all
      .filter(({ offer, suite }) => !this.#model.checksChoice || suite === suiteOf('fast', offer))
      .map(({ offer, suite }) => ({ choice: `choice(${offer},${suite})`, suite }));
  }

  #ekem1(world: World, process: Process, state: Symmetric): Symmetric[] {
    if (process.protocol === 'classical') return [state];
    const kem = `k${process.name}`;
    const randoms = [ATTACKER.random, ...responders(world).map(({ name }) => `r${name}`)];
    return randoms.flatMap((random) => {
      const opened = this.#opened(world, state, ciphertext(kem, random));
      if (opened === null) return [];
      return [this.#model.mixesKem ? mixKey(opened, sharedSecret(kem, random)) : opened];
    });
  }

  /** The initiator shows who it is. */
  #finish(world: World, process: Process): Outcome {
    const { owner } = process.setup;
    const own = credentialOf(owner);
    const signed = this.#signature(owner, 'initiator', process.symmetric, own);
    let state = process.symmetric;
    const sent: string[] = [];
    // s, se
    sent.push(sealedTerm(state, own.tunnelKey));
    state = afterSealing(state, own.tunnelKey);
    if (this.#model.mixesDh) state = mixKey(state, dh(staticOf(owner), process.remoteEphemeral));
    const payload = payloadOf(own, signed);
    sent.push(sealedTerm(state, payload));
    // Who can open the payload has the signature.
    if (derivesKey(this.knowledge(world), state)) sent.push(signed);
    state = afterSealing(state, payload);
    return { next: { ...process, waits: 'welcome', symmetric: state }, sent };
  }

  #finishes(world: World, process: Process): Outcome[] {
    const beforeFinish = process.symmetric;
    return STATIC_KEYS.flatMap((key) => {
      // s, se
      const opened = this.#opened(world, process.symmetric, key);
      if (opened === null) return [];
      const secret = key.slice('pub('.length, -1);
      const state = this.#model.mixesDh ? mixKey(opened, dh(secret, `e${process.name}`)) : opened;
      return CREDENTIALS.flatMap((credential) => {
        const signed = this.#signature(credential.party, 'initiator', beforeFinish, credential);
        const last = this.#shown(world, state, { credential, signed });
        if (last === null) return [];
        if (this.#model.checksTunnelKey && credential.tunnelKey !== key) return [];
        if (credential.party === process.setup.owner) return [];
        return [
          this.#welcome(world, {
            ...process,
            remoteStatic: key,
            peer: credential.party,
            symmetric: last,
          }),
        ];
      });
    });
  }

  #welcome(world: World, process: Process): Outcome {
    const { owner } = process.setup;
    const own = credentialOf(owner);
    const signed = this.#signature(owner, 'responder', process.symmetric, own);
    const key = welcomeState(process.symmetric);
    const sent = [sealedTerm(key, payloadOf(own, signed))];
    if (derivesKey(this.knowledge(world), key)) sent.push(signed);
    return { next: { ...process, waits: 'done' }, sent };
  }

  #welcomes(world: World, process: Process): Outcome[] {
    const key = welcomeState(process.symmetric);
    const { callee } = process.setup as InitiatorSetup;
    return CREDENTIALS.flatMap((credential) => {
      const signed = this.#signature(credential.party, 'responder', process.symmetric, credential);
      if (this.#shown(world, key, { credential, signed }) === null) return [];
      if (this.#model.checksTunnelKey && credential.tunnelKey !== process.remoteStatic) return [];
      if (this.#model.checksCalled && credential.party !== callee) return [];
      return [{ next: { ...process, waits: 'done', peer: credential.party }, sent: [] }];
    });
  }

  #signature(
    party: Party,
    role: 'initiator' | 'responder',
    state: Symmetric,
    credential: Credential,
  ): string {
    const { signsRole, signsTranscript } = this.#model;
    const transcript = signsTranscript ? state.transcript : '';
    return `sig(${party},${signsRole ? role : ''},${transcript},${credential.tunnelKey})`;
  }

  /** The state after opening, if a ciphertext that opens to this can be had. */
  #opened(world: World, state: Symmetric, plaintext: string): Symmetric | null {
    const canBeHad =
      derivesKey(this.knowledge(world), state) || world.seen.has(sealedTerm(state, plaintext));
    return canBeHad ? afterSealing(state, plaintext) : null;
  }

  /** As `opened`, for a payload whose signature must exist. */
  #shown(
    world: World,
    state: Symmetric,
    shown: { readonly credential: Credential; readonly signed: string },
  ): Symmetric | null {
    const { credential, signed } = shown;
    const payload = payloadOf(credential, signed);
    if (world.seen.has(sealedTerm(state, payload))) return afterSealing(state, payload);
    const hasSignature = this.#stolenIdentities.has(credential.party) || world.seen.has(signed);
    const makes = hasSignature && derivesKey(this.knowledge(world), state);
    return makes ? afterSealing(state, payload) : null;
  }
}

interface Outcome {
  readonly next: Process;
  /** Ciphertexts and, where the attacker can open them, signatures. */
  readonly sent: readonly string[];
}

const credentialOf = (party: Party): Credential => ({
  party,
  tunnelKey: publicKey(staticOf(party)),
});
const payloadOf = ({ party, tunnelKey }: Credential, signed: string): string =>
  `identity(${party},${tunnelKey},${signed})`;

/** The welcome key comes of the same secrets; the transcript keeps it apart. SPEC.md 11.12. */
const welcomeState = (state: Symmetric): Symmetric => mixHash({ ...state, sealed: 0 }, 'welcome');

const initiators = (world: World): readonly Process[] =>
  world.processes.filter(({ setup }) => setup.role === 'initiator');
const responders = (world: World): readonly Process[] =>
  world.processes.filter(({ setup }) => setup.role === 'responder');

const processKey = ({ waits, symmetric, suite, peer, protocol }: Process): unknown => [
  waits,
  symmetric.transcript,
  symmetric.mixed,
  suite,
  peer,
  protocol,
];
