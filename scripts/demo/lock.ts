// One demo at a time: its namespaces and interfaces have fixed names, so that they read well.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const PATH = '/run/beam-demo.pid';

/** Null if this process may go on; else the process id of the demo that runs. Root only. */
export function takeLock(): number | null {
  const holder = existsSync(PATH) ? Number(readFileSync(PATH, 'utf8')) : 0;
  if (holder > 0 && existsSync(`/proc/${holder}`)) return holder;
  writeFileSync(PATH, String(process.pid));
  return null;
}

export const releaseLock = (): void => rmSync(PATH, { force: true });
