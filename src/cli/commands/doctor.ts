// `beam doctor`: what is wrong with this machine or a tunnel, and what to do. SPEC.md 9.5.
import { renderChecks } from '../doctor/check.js';
import { examine } from '../doctor/examine.js';
import { findSubjects } from '../doctor/subjects.js';
import { EXIT } from '../report.js';

export interface DoctorArguments {
  /** A tunnel's name or file; all without it. */
  readonly name: string | undefined;
  readonly json: boolean;
}

/** Resolves with 3 if a check failed. Throws OperatorError where the tunnel isn't there. */
export async function doctor({ name, json }: DoctorArguments): Promise<number> {
  const checks = await examine(await findSubjects(name ?? null));
  const colours = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
  const text = json
    ? `${JSON.stringify({ format: 1, checks })}\n`
    : renderChecks(checks, { colours });
  process.stdout.write(text);
  return checks.some(({ level }) => level === 'fail') ? EXIT.DOCTOR : EXIT.OK;
}
