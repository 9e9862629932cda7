// Cuts a configuration file into lines and says what each is. SPEC.md 7.1.

export type ConfigLine =
  | { readonly kind: 'blank' }
  /** Without the first `#`. */
  | { readonly kind: 'comment'; readonly text: string }
  /** `marked`: behind `#:`, for Beam only (SPEC.md 7.3). */
  | { readonly kind: 'section'; readonly marked: boolean; readonly name: string }
  | {
      readonly kind: 'setting';
      readonly marked: boolean;
      readonly key: string;
      /** Without white space at its ends. */
      readonly value: string;
    }
  | { readonly kind: 'malformed'; readonly why: string };

const MARK = '#:';

/** Every line of the text, in order. */
export function* configLines(text: string): Generator<ConfigLine> {
  let start = 0;
  while (start <= text.length) {
    const end = text.indexOf('\n', start);
    yield configLine(text.slice(start, end < 0 ? text.length : end));
    if (end < 0) return;
    start = end + 1;
  }
}

export function configLine(raw: string): ConfigLine {
  if (raw.includes('\0')) return { kind: 'malformed', why: 'a NUL character' };
  const whole = trimWhite(raw);
  const marked = whole.startsWith(MARK);
  const content = marked ? whole.slice(MARK.length) : whole;
  const comment = content.indexOf('#');
  const line = trimWhite(comment < 0 ? content : content.slice(0, comment));
  if (line === '') {
    return marked || comment < 0 ? { kind: 'blank' } : { kind: 'comment', text: content.slice(1) };
  }
  if (line.startsWith('[')) {
    if (!line.endsWith(']')) return { kind: 'malformed', why: 'a "[" without its "]"' };
    return { kind: 'section', marked, name: withoutWhite(line.slice(1, -1)) };
  }
  const equals = line.indexOf('=');
  if (equals < 0) return { kind: 'malformed', why: 'a line without "="' };
  const key = withoutWhite(line.slice(0, equals));
  return { kind: 'setting', marked, key, value: trimWhite(line.slice(equals + 1)) };
}

/** wg's idea of white space; String.trim() takes off more. */
export const withoutWhite = (text: string): string => text.replace(/[ \t\r\v\f]+/g, '');

function trimWhite(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhite(text.charCodeAt(start))) start++;
  while (end > start && isWhite(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isWhite = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d);
