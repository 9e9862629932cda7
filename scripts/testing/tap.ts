// Reads ava's TAP output as it comes and counts what ran. A test that logs `skipped: <reason>` as its
// first line could not run here (test/support/skip.ts): it counts as skipped, not as passed.

export interface TestResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly title: string;
  /** What the test logged and, for a failure, ava's account of it; why it was skipped. */
  readonly details: readonly string[];
}

const RESULT_LINE = /^(not ok|ok) \d+ - (.*?)( # (SKIP|TODO).*)?$/;
const LOG_LINE = /^# {3}(.*)$/;
const SKIP_MARK = /^skipped: (.+)$/;

/** Feed it lines; a result is reported when the line after its last one is seen. */
export class TapReader {
  readonly #report: (result: TestResult) => void;
  #open: { ok: boolean; skipped: boolean; title: string; details: string[] } | null = null;
  #inDiagnosis = false;

  constructor(report: (result: TestResult) => void) {
    this.#report = report;
  }

  line(text: string): void {
    if (this.#inDiagnosis) {
      if (text === '  ...') this.#inDiagnosis = false;
      else this.#open?.details.push(text.slice(2));
      return;
    }
    const result = RESULT_LINE.exec(text);
    const log = LOG_LINE.exec(text);
    if (result) {
      this.#close();
      const [, ok, title = '', directive] = result;
      this.#open = { ok: ok === 'ok', skipped: directive !== undefined, title, details: [] };
    } else if (text === '  ---') {
      this.#inDiagnosis = true;
    } else if (log) {
      this.#open?.details.push(log[1]!);
    } else if (text !== '') {
      this.#close();
    }
  }

  end(): void {
    this.#close();
  }

  #close(): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    const reason = SKIP_MARK.exec(open.details[0] ?? '')?.[1];
    if (!open.ok) this.#report({ outcome: 'failed', title: open.title, details: open.details });
    else if (open.skipped || reason !== undefined) {
      const details = [reason ?? 'marked so in the test'];
      this.#report({ outcome: 'skipped', title: open.title, details });
    } else this.#report({ outcome: 'passed', title: open.title, details: open.details });
  }
}
