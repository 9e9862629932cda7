// Asks the kernel which way an IPv4 packet would leave, to notice a sticky source that no longer fits.
#pragma once

#include <array>
#include <cstdint>

#include "netlinkSocket.h"

namespace beam::sys {

struct Flow4 {
  std::array<std::uint8_t, 4> destination{};
  std::array<std::uint8_t, 4> source{};
  /** Host order. */
  std::uint16_t destinationPort = 0;
  std::uint16_t sourcePort = 0;
  std::uint32_t mark = 0;
};

/**
 * The index of the interface that the flow would leave by. ENETUNREACH, EINVAL and the like if there
 * is no route or the source isn't a local address.
 */
[[nodiscard]] Result<int> interfaceFor(NetlinkClient& client, const Flow4& flow) noexcept;

}  // namespace beam::sys
