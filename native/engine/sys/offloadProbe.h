// Are the offloads that the kernel promises any good? Asked with real super-packets, in a network
// namespace that lives for the length of the question, so that nobody else sees them.
#pragma once
#include <cstdint>

namespace beam::kernel {

struct OffloadProbe {
  /** False where no namespace can be made (no CAP_SYS_ADMIN): then the rest says nothing. */
  bool possible = false;
  /** A joined TCP packet written to a TUN reached the TCP layer whole. */
  bool tunTcp = false;
  /** A joined UDP packet came out of a socket as its datagrams. */
  bool tunUdp = false;
  /** One UDP_SEGMENT send came out of another socket as its datagrams. */
  bool udpSegment = false;
};

/** Some milliseconds, once a process; the answer is kept. */
const OffloadProbe& probeOffloads();

}  // namespace beam::kernel
