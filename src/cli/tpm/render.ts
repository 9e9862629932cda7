// Names and what is said of them, in two columns.

/** Text from a TPM or a file doesn't steer the terminal. */
const harmless = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?');

export function renderTable(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${harmless(text)}\n`).join('');
}
