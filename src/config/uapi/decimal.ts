/** Decimal digits, leading zeros allowed, no sign; null for anything else and past `max`. */
export function parseDecimal(text: string, max: number): number | null {
  if (!/^[0-9]+$/.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}
