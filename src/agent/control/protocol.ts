// The control protocol's types live in ports, where the sockets' adapters may see them.
export type * from '../../ports/control.js';
