// A layer-3 TUN descriptor: IFF_TUN | IFF_NO_PI, no virtio header.
#pragma once

#include <net/if.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "fd.h"

namespace beam::sys {

/** The largest packet that an interface's MTU allows. */
inline constexpr std::size_t kTunPacketBytes = 65'535;

/**
 * Creates the interface, or attaches to a persistent one; non-blocking. EBUSY if another process
 * has it, EINVAL for a name of an interface of another kind, ENAMETOOLONG past 15 bytes.
 */
[[nodiscard]] Result<UniqueFd> createTun(std::string_view name) noexcept;

/**
 * Takes a descriptor over and makes it non-blocking. EPROTO if it frames packets in another way,
 * ENOTTY or EBADFD if it isn't a TUN with an interface; the descriptor then stays the caller's.
 */
[[nodiscard]] Result<UniqueFd> adoptTun(int fd) noexcept;

struct TunIdentity {
  /** The name now: an interface may be renamed. Ends in a zero byte. */
  std::array<char, IFNAMSIZ> name{};
  /** IFF_NO_PI can't be told from them: 0x1000 also says that no filter is set. */
  unsigned flags = 0;
};

/** EBADFD: the interface is gone. */
[[nodiscard]] Result<TunIdentity> identifyTun(int fd) noexcept;

/** One packet; EAGAIN if there is none. */
[[nodiscard]] Result<std::size_t> readTun(int fd, std::span<std::uint8_t> into) noexcept;

/** One packet. 0 or an errno: EIO while the interface is down, EINVAL if it isn't an IP packet. */
[[nodiscard]] int writeTun(int fd, std::span<const std::uint8_t> packet) noexcept;

/**
 * Whether the interface is up, in whatever namespace it is: only then does the descriptor take
 * packets (Linux 5.2; before it this says up).
 */
[[nodiscard]] bool isTunUp(int fd) noexcept;

}  // namespace beam::sys
