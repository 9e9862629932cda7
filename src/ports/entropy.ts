/** Fills a new array of `byteLength` bytes from the system's generator (a seeded one in simulation). */
export type Entropy = (byteLength: number) => Uint8Array;
