#include "process.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <ctime>

namespace beam::sys {

namespace {

double clockMs(clockid_t clock) noexcept {
  timespec now = {};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

int orErrno(int outcome) noexcept { return outcome == 0 ? 0 : errno; }

}  // namespace

double bootMs() noexcept { return clockMs(CLOCK_BOOTTIME); }

double wallMs() noexcept { return clockMs(CLOCK_REALTIME); }

std::uint32_t coarseSeconds() noexcept {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint32_t>(now.tv_sec) + 1;
}

int denyDumps() noexcept { return orErrno(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

int denyCoreFiles() noexcept {
  const rlimit none = {0, 0};
  return orErrno(::setrlimit(RLIMIT_CORE, &none));
}

int lockMemory(std::span<const std::uint8_t> bytes) noexcept {
  return orErrno(::mlock(bytes.data(), bytes.size()));
}

int unlockMemory(std::span<const std::uint8_t> bytes) noexcept {
  return orErrno(::munlock(bytes.data(), bytes.size()));
}

}  // namespace beam::sys
