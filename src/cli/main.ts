#!/usr/bin/env node
// The executable `beam`: an interface's name makes the drop-in, anything else is a command.
// SPEC.md 9.
import { outputFailure, reportFailure } from './report.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(outputFailure(error));
});
// A daemon outlives the terminal that its log went to.
process.stderr.on('error', () => undefined);

try {
  const { runCommandLine } = await import('./commandLine.js');
  process.exitCode = await runCommandLine(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure(error);
}
