// CLOCK_BOOTTIME: ages of keys count suspend.
#pragma once
#include <time.h>

#include <cstdint>

namespace beam::kernel {

inline uint64_t bootNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace beam::kernel
