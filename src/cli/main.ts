#!/usr/bin/env node
// The executable `beam`: an interface's name makes the drop-in, anything else is a command.
// SPEC.md 9.
import { reportFailure } from './report.js';

/** A reader that has seen enough (`beam status | head -1`) is no error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  const { runCommandLine } = await import('./commandLine.js');
  process.exitCode = await runCommandLine(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure(error);
}
