// Clocks, and what keeps this process's memory out of core files, ptrace and swap.
#pragma once

#include <cstdint>
#include <span>

namespace beam::sys {

/** CLOCK_BOOTTIME (counts suspend) and CLOCK_REALTIME, in milliseconds. */
[[nodiscard]] double bootMs() noexcept;
[[nodiscard]] double wallMs() noexcept;

/** CLOCK_MONOTONIC_COARSE in whole seconds from 1 on: a few nanoseconds to read. */
[[nodiscard]] std::uint32_t coarseSeconds() noexcept;

// Each returns 0 or an errno.
[[nodiscard]] int denyDumps() noexcept;
[[nodiscard]] int denyCoreFiles() noexcept;
[[nodiscard]] int lockMemory(std::span<const std::uint8_t> bytes) noexcept;
[[nodiscard]] int unlockMemory(std::span<const std::uint8_t> bytes) noexcept;

/**
 * Sends one datagram to a Unix socket, without waiting. A path that begins with NUL is in the abstract
 * namespace. Returns 0 or an errno (ENAMETOOLONG past 107 bytes).
 */
[[nodiscard]] int sendUnixDatagram(std::span<const std::uint8_t> path,
                                   std::span<const std::uint8_t> text) noexcept;

}  // namespace beam::sys
