// What attackers get and what statements cost: `npm run sim:trust`; the figures are kept in
// bench/trust/README.md.
import { collusion, slander, sybilAttack, whitewash } from './attacks.js';
import { gossip } from './gossip.js';
import { identityAttempts } from './identities.js';
import { simulatePeers } from './peers.js';

const SEED = 1;
const ms = (value: number): string => `${value.toFixed(0)} ms`;
const kb = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

function printIdentities(): void {
  const { attempts, right, byKind } = identityAttempts(400, SEED);
  console.log(`identity: ${right} of ${attempts} attempts judged rightly`);
  for (const [kind, one] of Object.entries(byKind)) {
    console.log(`  ${kind.padEnd(14)} ${one.right} of ${one.attempts}`);
  }
}

function printPeers(): void {
  const found = simulatePeers(SEED);
  console.log(
    `\n${found.peers} peers, ${found.statements} statements, 60 days: reputation against real behaviour, ` +
      `Pearson ${found.correlation.toFixed(3)} (worst observer ${found.worstCorrelation.toFixed(3)})`,
  );
  for (const [kind, { real, reputation }] of Object.entries(found.meanByKind)) {
    console.log(
      `  ${kind.padEnd(12)} real ${real.toFixed(2)}  reputation ${reputation.toFixed(2)}`,
    );
  }
}

function printAttacks(): void {
  console.log('\nSybil group of 100, all vouching for all:');
  for (const edges of [0, 1, 2, 5, 10]) {
    const found = sybilAttack(100, edges);
    console.log(
      `  ${edges} attack edges: ${found.contributionsPerEdge.toFixed(2)} contributions an edge, ` +
        `${found.overThreshold} over 0.7, ${found.admittedFirstDay} admitted on the first day`,
    );
  }
  const { untrustedLoss, lossPerTrusted, neededAgainstDirect } = slander();
  console.log(
    `slander: 1,000 strangers take ${untrustedLoss.toFixed(3)}; 1, 2, 3 trusted ones take ` +
      `${lossPerTrusted.map((loss) => loss.toFixed(3)).join(', ')} each beside six who vouch; ` +
      `${neededAgainstDirect} throw out a peer with a direct 1`,
  );
  const white = whitewash();
  console.log(
    `whitewashing: good ${white.goodScore}, bad ${white.badScore.toFixed(3)}, disowned ` +
      `${white.disownedScore.toFixed(3)}, new name ${white.newNameScore} (admitted: ${white.newNameAdmitted})`,
  );
  const both = collusion();
  console.log(
    `collusion of ${both.colluders}: mean score ${both.meanScoreAlone.toFixed(3)} alone, ` +
      `${both.meanScoreColluding.toFixed(3)} together; over 0.7: ${both.overThresholdAlone} alone, ` +
      `${both.overThresholdColluding} together`,
  );
}

function printGossip(): void {
  console.log('\n100 agents, 5 statements each, from nothing; then one revocation:');
  for (const seed of [1, 2, 3]) {
    const found = gossip(seed);
    console.log(
      `  seed ${seed}: diameter ${found.diameter}, ${found.statements} statements in ${ms(found.convergedMs)}, ` +
        `${kb(found.bytesPerAgent)} an agent; revocation ${ms(found.revocationMs)}, ` +
        `${kb(found.revocationBytesPerAgent)}; idle ${kb(found.idleBytesPerAgent)} a minute`,
    );
  }
}

printIdentities();
printPeers();
printAttacks();
printGossip();
