// The few file operations of the key store, one system call's effect each, so that a test can end
// the process between any two of them. SPEC.md 10.9.

export interface StoreFiles {
  /** Null if there is no such file. Throws OperatorError for a file that others may touch (10.10). */
  read(path: string): Promise<Uint8Array | null>;
  /** A new, empty file of mode 0600; fails if there is one. */
  create(path: string): Promise<void>;
  /** Writes all bytes into the file that `create` made. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Resolves once the file's content lasts. */
  flush(path: string): Promise<void>;
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Resolves once the names in the folder of `path` last. */
  flushFolderOf(path: string): Promise<void>;
  /** Does nothing if there is no such file. */
  unlink(path: string): Promise<void>;
}
