// How a peer is reached, as a record that crosses to TypeScript byte for byte (src/platform/
// udpPath.ts): where to, and the local address that answers go out from.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>

namespace beam::packet {

struct PathRecord {
  uint8_t family;  // 4, 6; 0 for none
  uint8_t hasLocal;
  uint16_t port;  // host order
  uint32_t scopeId;
  std::array<uint8_t, 16> remote;  // the first 4 for IPv4
  std::array<uint8_t, 16> local;
  uint32_t interfaceIndex;
  uint32_t reserved;

  bool operator==(const PathRecord&) const = default;
};
static_assert(sizeof(PathRecord) == 48);

}  // namespace beam::packet
