#include "tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace beam::sys {

namespace {

/**
 * A packet of one byte: too short for whoever wants a packet-information header first. The system
 * drops it as truncated.
 */
bool takesBarePackets(int fd) noexcept {
  constexpr std::array<std::uint8_t, 1> kStub = {0x40};
  return writeTun(fd, kStub) != EINVAL;
}

}  // namespace

Result<UniqueFd> createTun(std::string_view name) noexcept {
  ifreq request = {};
  if (name.size() >= sizeof request.ifr_name) return failed<UniqueFd>(ENAMETOOLONG);
  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return failed<UniqueFd>(errno);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return failed<UniqueFd>(errno);
  return {std::move(fd)};
}

Result<UniqueFd> adoptTun(int fd) noexcept {
  const auto identity = identifyTun(fd);
  if (!identity.ok()) return failed<UniqueFd>(identity.error);
  const unsigned flags = identity.value.flags & (IFF_TUN | IFF_TAP | IFF_VNET_HDR);
  if (flags != IFF_TUN || !takesBarePackets(fd)) return failed<UniqueFd>(EPROTO);
  const int status = ::fcntl(fd, F_GETFL);
  if (status < 0 || ::fcntl(fd, F_SETFL, status | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return failed<UniqueFd>(errno);
  }
  return {UniqueFd(fd)};
}

Result<TunIdentity> identifyTun(int fd) noexcept {
  ifreq request = {};
  if (::ioctl(fd, TUNGETIFF, &request) != 0) return failed<TunIdentity>(errno);
  TunIdentity identity;
  std::copy_n(request.ifr_name, IFNAMSIZ - 1, identity.name.begin());
  identity.flags = static_cast<unsigned short>(request.ifr_flags);
  return {identity};
}

Result<std::size_t> readTun(int fd, std::span<std::uint8_t> into) noexcept {
  for (;;) {
    const ssize_t count = ::read(fd, into.data(), into.size());
    if (count >= 0) return {static_cast<std::size_t>(count)};
    if (errno != EINTR) return failed<std::size_t>(errno);
  }
}

int writeTun(int fd, std::span<const std::uint8_t> packet) noexcept {
  for (;;) {
    const ssize_t count = ::write(fd, packet.data(), packet.size());
    if (count >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool isTunUp(int fd) noexcept {
  pollfd question = {fd, POLLOUT, 0};
  return ::poll(&question, 1, 0) == 1 && (question.revents & POLLOUT) != 0;
}

}  // namespace beam::sys
