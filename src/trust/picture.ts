// The web of trust as a picture: text for terminals, DOT for Graphviz, SVG for browsers. SPEC.md 12.12.
import { NEUTRAL, type Did } from './opinion.js';

/** Who says what about whom. */
export interface Edge {
  readonly from: Did;
  readonly to: Did;
  readonly level: number;
  readonly context: string;
}

export interface PictureOptions {
  readonly edges: readonly Edge[];
  readonly revoked: (did: Did) => boolean;
}

const SHOWN_CHARACTERS = 8;
const SVG_IDENTITIES = 60;

/** The end of a did:key, which is the part that differs. */
export const shortName = (did: Did): string => `…${did.slice(-SHOWN_CHARACTERS)}`;

const byNames = (a: Edge, b: Edge): number =>
  `${a.from} ${a.to} ${a.context}` < `${b.from} ${b.to} ${b.context}` ? -1 : 1;

export function textPicture({ edges, revoked }: PictureOptions): string {
  const lines: string[] = [];
  let from: Did | null = null;
  for (const edge of edges.toSorted(byNames)) {
    if (edge.from !== from) lines.push(`${edge.from}${revoked(edge.from) ? '  revoked' : ''}`);
    from = edge.from;
    const arrow = edge.level > NEUTRAL ? '->' : edge.level < NEUTRAL ? '-x' : '--';
    const mark = revoked(edge.to) ? '  revoked' : '';
    lines.push(`  ${arrow} ${edge.to}  ${edge.level}  ${edge.context}${mark}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Names are did:keys and contexts are checked, so nothing in them needs escaping. */
export function dotPicture({ edges, revoked }: PictureOptions): string {
  const nodes = namesIn(edges).map(
    (did) =>
      `  "${did}" [label="${shortName(did)}"${revoked(did) ? ', style=dashed, color=red' : ''}];\n`,
  );
  const lines = edges
    .toSorted(byNames)
    .map(
      ({ from, to, level, context }) =>
        `  "${from}" -> "${to}" [label="${level} ${context}", color="${colour(level)}"];\n`,
    );
  return `digraph trust {\n  node [shape=box];\n${nodes.join('')}${lines.join('')}}\n`;
}

const SIZE = 1000;
const CENTRE = SIZE / 2;
const RADIUS = 400;

/** The identities of the most statements on a circle. */
export function svgPicture({ edges, revoked }: PictureOptions): string {
  const counts = new Map<Did, number>();
  for (const { from, to } of edges) {
    for (const did of [from, to]) counts.set(did, (counts.get(did) ?? 0) + 1);
  }
  const ranked = namesIn(edges).sort((a, b) => counts.get(b)! - counts.get(a)! || (a < b ? -1 : 1));
  const drawn = ranked.slice(0, SVG_IDENTITIES);
  const places = new Map(drawn.map((did, i) => [did, placeOn(i / drawn.length)]));
  const lines = edges.toSorted(byNames).flatMap((edge) => {
    const [a, b] = [places.get(edge.from), places.get(edge.to)];
    return a === undefined || b === undefined ? [] : [arrow(a, b, edge.level)];
  });
  const names = [...places].map(([did, place]) => label(place, did, revoked(did)));
  const left = ranked.length - drawn.length;
  const rest = left === 0 ? '' : `<text x="10" y="${SIZE - 10}">and ${left} more</text>\n`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}" font-family="sans-serif" font-size="14">\n` +
    `<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">` +
    `<path d="M0 0 L8 4 L0 8 z"/></marker></defs>\n${lines.join('')}${names.join('')}${rest}</svg>\n`
  );
}

interface Place {
  readonly x: number;
  readonly y: number;
}

const placeOn = (turn: number): Place => ({
  x: Math.round(CENTRE + RADIUS * Math.sin(2 * Math.PI * turn)),
  y: Math.round(CENTRE - RADIUS * Math.cos(2 * Math.PI * turn)),
});

function arrow(a: Place, b: Place, level: number): string {
  const width = Math.round((0.5 + Math.abs(level - NEUTRAL) * 4) * 10) / 10;
  return (
    `<line x1="${a.x}" y1="${a.y}" x2="${b.x}" y2="${b.y}" stroke="${colour(level)}" ` +
    `stroke-width="${width}" marker-end="url(#tip)"><title>${level}</title></line>\n`
  );
}

const label = ({ x, y }: Place, did: Did, revoked: boolean): string =>
  `<circle cx="${x}" cy="${y}" r="6" fill="${revoked ? 'red' : 'black'}"><title>${did}</title></circle>` +
  `<text x="${x + 9}" y="${y + 5}">${shortName(did)}</text>\n`;

const colour = (level: number): string =>
  level > NEUTRAL ? 'green' : level < NEUTRAL ? 'red' : 'gray';

const namesIn = (edges: readonly Edge[]): Did[] =>
  [...new Set(edges.flatMap(({ from, to }) => [from, to]))].sort();
