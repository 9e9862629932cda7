// A layer-3 TUN device without offloads: one IP packet in, one IP packet out.

export interface TunEvents {
  /**
   * Packets that the system sends into the tunnel, in order. Each slice is only valid during the
   * call: the device reuses its buffer.
   */
  packets(batch: readonly Uint8Array[]): void;
  /** The link went up or down, or its MTU changed; also called once after opening. */
  link(state: LinkState): void;
  /** The device is gone (deleted here or in the namespace it was moved to). Called once. */
  closed(): void;
}

export interface LinkState {
  readonly up: boolean;
  /** Bytes, 68 to 65,535. */
  readonly mtu: number;
}

export interface TunDevice {
  /** The interface's name at creation; it may be renamed or moved afterwards. */
  readonly name: string;
  /**
   * Writes one packet; false if the kernel refused it (counted by the caller, never thrown).
   * `packet` is only valid during the call.
   */
  write(packet: Uint8Array): boolean;
  /** Stops reading and closes the descriptor; a non-persistent device disappears. */
  close(): void;
}
