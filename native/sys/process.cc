#include "process.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>

#include "fd.h"

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

int sendUnixDatagram(std::span<const std::uint8_t> path,
                     std::span<const std::uint8_t> text) noexcept {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::copy(path.begin(), path.end(), address.sun_path);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const auto sent = ::sendto(socket.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), bytes);
  return sent < 0 ? errno : 0;
}

}  // namespace beam::sys
