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
 * Takes a descriptor over and makes it non-blocking. EPROTO if its flags aren't ours, ENOTTY or
 * EBADFD if it isn't a TUN with an interface; the descriptor then stays the caller's.
 */
[[nodiscard]] Result<UniqueFd> adoptTun(int fd) noexcept;

struct TunIdentity {
  /** The name now: an interface may be renamed. Ends in a zero byte. */
  std::array<char, IFNAMSIZ> name{};
  unsigned flags = 0;
};

/** EBADFD: the interface is gone. */
[[nodiscard]] Result<TunIdentity> identifyTun(int fd) noexcept;

/** One packet; EAGAIN if there is none. */
[[nodiscard]] Result<std::size_t> readTun(int fd, std::span<std::uint8_t> into) noexcept;

/** One packet. 0 or an errno: EIO while the interface is down, EINVAL if it isn't an IP packet. */
[[nodiscard]] int writeTun(int fd, std::span<const std::uint8_t> packet) noexcept;

/**
 * Whether the interface is up, wherever it is, by a write of nothing: EINVAL if up, EIO if down.
 * Counts as a receive drop of the interface, so it is only for when netlink can't be had.
 */
[[nodiscard]] Result<bool> probeTunUp(int fd) noexcept;

}  // namespace beam::sys
