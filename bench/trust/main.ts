// How well do the estimators say what people said about each other? `npm run bench:trust`; the figures
// are kept in bench/trust/README.md.
import { describeMachine } from '../machine.js';
import { accuracy, mean, split, type Accuracy } from './heldOut.js';
import { labelAuc } from './labels.js';
import { advogato, bitcoinOtc, otcLabels, vectorsPath, type Network } from './networks.js';
import { speedAt } from './speed.js';
import type { EstimatorName } from '../../src/trust/policy.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7];
const ESTIMATORS: readonly EstimatorName[] = ['literalMean', 'introductions'];
const FIGURES: readonly (keyof Accuracy)[] = [
  'rmse',
  'pearson',
  'coverage',
  'rightlyOver',
  'wronglyOver',
  'admitted',
];

function main(): number {
  const networks = [advogato(), bitcoinOtc()].filter((network) => network !== null);
  if (networks.length === 0) {
    console.error(`bench: no trust networks in ${vectorsPath('trust')}: set BEAM_VECTORS`);
    return 1;
  }
  console.log(`held out: 10 %, seeds ${SEEDS.join(' ')}; mean over them ± standard deviation`);
  for (const network of networks) printAccuracy(network);
  printLabels(networks);
  const { cpu, node, commit } = describeMachine();
  console.log(`\n10,000 statements, 500 peers (${cpu}, Node ${node}, ${commit})`);
  for (const estimator of ESTIMATORS) {
    const { medianMs, p99Ms, afterChangeMs } = speedAt(estimator, 1);
    console.log(
      `  ${estimator}: ${medianMs.toFixed(3)} ms a peer (99th percentile ${p99Ms.toFixed(2)}); ` +
        `all 500 again after a change ${afterChangeMs.toFixed(2)} ms`,
    );
  }
  return 0;
}

function printAccuracy(network: Network): void {
  const { name, opinions, scaleName } = network;
  console.log(`\n${name}, ${opinions.length} opinions, RMSE in ${scaleName}`);
  console.log(
    `  ${'estimator'.padEnd(14)}${FIGURES.map((figure) => figure.padStart(15)).join('')}`,
  );
  const splits = SEEDS.map((seed) => split(network, seed));
  for (const estimator of ESTIMATORS) {
    const results = splits.map((parts) => accuracy(network, estimator, parts));
    const cells = FIGURES.map((figure) => spread(results.map((result) => result[figure])));
    console.log(`  ${estimator.padEnd(14)}${cells.map((cell) => cell.padStart(15)).join('')}`);
  }
}

function printLabels(networks: readonly Network[]): void {
  const labels = otcLabels();
  const network = networks.find(({ name }) => name === 'Bitcoin OTC');
  if (labels === null || network === undefined) return;
  const results = SEEDS.map((seed) => labelAuc(network, labels, seed));
  const { labelled, ratingsLeft } = results[0]!;
  console.log(
    `\nBitcoin OTC's labels, without the ratings of the founder and of the benign users ` +
      `(${ratingsLeft} left):\n  AUC ${spread(results.map(({ auc }) => auc))}, ` +
      `${mean(results.map(({ covered }) => covered)).toFixed(0)} of ${labelled} covered`,
  );
}

function spread(values: readonly number[]): string {
  const middle = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  return `${middle.toFixed(3)} ±${deviation.toFixed(3)}`;
}

process.exitCode = main();
