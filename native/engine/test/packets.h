// Packets as a system with TSO and USO hands them over, for tests.
#pragma once
#include <cstdint>
#include <vector>

#include "packet/wire.h"
#include "test/check.h"

namespace beam::test {

struct SuperPacket {
  packet::VnetHeader vnet;
  std::vector<uint8_t> bytes;
};

struct Shape {
  uint8_t version = 4;
  bool tcp = true;
  uint16_t gsoBytes = 1380;
  uint32_t payloadBytes = 0;
  uint8_t trafficClass = 0;
  uint8_t tcpFlags = 0x10;
  uint8_t tcpOptionBytes = 12;
  bool dontFragment = true;
  uint16_t sourcePort = 40000;
  uint32_t sequence = 1;
  uint16_t id = 77;
};

/**
 * With a partial checksum, as the kernel makes it; one segment is a plain packet with a finished
 * checksum.
 */
SuperPacket makePacket(const Shape& shape, Random& random);
/** A shape that the coalescer must be able to restore. */
Shape randomShape(Random& random);

}  // namespace beam::test
