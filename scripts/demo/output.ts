// How the demo speaks: numbered steps, aligned, with colours on a terminal only.
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const COLOURS = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';

export const styled = (style: Style, text: string): string =>
  COLOURS ? styleText(style, text) : text;

const LABEL_WIDTH = 12;
const INDENT = ' '.repeat(3 + LABEL_WIDTH);

export class Narrator {
  #step = 0;

  title(text: string): void {
    console.log(styled('bold', text));
    console.log('');
  }

  /** One numbered line; further lines stand under the first. */
  step(label: string, ...lines: readonly string[]): void {
    const [first = '', ...others] = lines;
    const number = styled('dim', String(++this.#step).padStart(2));
    console.log(`${number} ${styled('bold', label.padEnd(LABEL_WIDTH))}${first}`);
    for (const line of others) console.log(INDENT + line);
  }

  /** A block of text as it is, between blank lines. */
  block(text: string): void {
    console.log('');
    for (const line of text.trimEnd().split('\n')) console.log(line === '' ? '' : `   ${line}`);
    console.log('');
  }

  good(text: string): void {
    console.log(`\n${styled('green', text)}`);
  }

  bad(text: string): void {
    console.log(`\n${styled('red', text)}`);
  }
}

export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;
}

export const formatRate = (bitsPerS: number): string =>
  bitsPerS >= 1e9
    ? `${(bitsPerS / 1e9).toFixed(2)} Gbit/s`
    : `${(bitsPerS / 1e6).toFixed(0)} Mbit/s`;
