// What is said while running. A line never holds a secret: `Secret` has no way to print.

export type LogLevel = 'silent' | 'error' | 'info' | 'debug';

export interface Logger {
  error(text: string): void;
  info(text: string): void;
  debug(text: string): void;
}
