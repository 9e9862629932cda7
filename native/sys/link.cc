#include "link.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "netlinkMessage.h"
#include "netns.h"
#include "tun.h"

namespace beam::sys {

namespace {

constexpr SocketKind kLinkSocket{AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE};

Result<UniqueFd> openLinkSocket(int tunFd, bool assumeHere) noexcept {
  const auto place = tunNamespace(tunFd);
  if (!place.ok() && (!assumeHere || place.error == EBADFD)) return failed<UniqueFd>(place.error);
  if (place.ok() && !isCurrentNamespace(place.value.get())) {
    return openSocketIn(place.value.get(), kLinkSocket);
  }
  const int fd = ::socket(kLinkSocket.domain, kLinkSocket.type | SOCK_CLOEXEC, kLinkSocket.protocol);
  if (fd < 0) return failed<UniqueFd>(errno);
  return {UniqueFd(fd)};
}

// A netlink socket hands SIOCGIF* on to its namespace's devices.
Result<ifreq> askLink(int socket, unsigned long request, ifreq question) noexcept {
  if (::ioctl(socket, request, &question) != 0) return failed<ifreq>(errno);
  return {question};
}

Result<int> findIndex(int socket, int tunFd) noexcept {
  // A rename between the two questions answers ENODEV once.
  for (int tries = 1;; tries++) {
    const auto identity = identifyTun(tunFd);
    if (!identity.ok()) return failed<int>(identity.error);
    ifreq question = {};
    std::copy(identity.value.name.begin(), identity.value.name.end(), question.ifr_name);
    const auto answer = askLink(socket, SIOCGIFINDEX, question);
    if (answer.ok()) return {answer.value.ifr_ifindex};
    if (tries == 3) return failed<int>(answer.error);
  }
}

}  // namespace

Result<LinkWatch> LinkWatch::open(int tunFd, bool assumeHere) noexcept {
  auto socket = openLinkSocket(tunFd, assumeHere);
  if (!socket.ok()) return failed<LinkWatch>(socket.error);
  sockaddr_nl local = {};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_LINK;
  const auto* const address = reinterpret_cast<const sockaddr*>(&local);
  if (::bind(socket.value.get(), address, sizeof local) != 0) return failed<LinkWatch>(errno);
  // Subscribed first, asked second: no change falls between.
  const auto index = findIndex(socket.value.get(), tunFd);
  if (!index.ok()) return failed<LinkWatch>(index.error);
  LinkWatch watch;
  watch.socket_ = std::move(socket.value);
  watch.index_ = index.value;
  return {std::move(watch)};
}

Result<LinkState> LinkWatch::state() const noexcept {
  ifreq question = {};
  question.ifr_ifindex = index_;
  const auto named = askLink(socket_.get(), SIOCGIFNAME, question);
  if (!named.ok()) return failed<LinkState>(named.error);
  const auto flags = askLink(socket_.get(), SIOCGIFFLAGS, named.value);
  if (!flags.ok()) return failed<LinkState>(flags.error);
  const auto mtu = askLink(socket_.get(), SIOCGIFMTU, named.value);
  if (!mtu.ok()) return failed<LinkState>(mtu.error);
  return {{(flags.value.ifr_flags & IFF_UP) != 0, static_cast<std::uint32_t>(mtu.value.ifr_mtu)}};
}

int LinkWatch::setMtu(std::uint32_t mtu) const noexcept {
  ifreq request = {};
  request.ifr_ifindex = index_;
  auto named = askLink(socket_.get(), SIOCGIFNAME, request);
  if (!named.ok()) return named.error;
  named.value.ifr_mtu = static_cast<int>(std::min<std::uint32_t>(mtu, INT32_MAX));
  return ::ioctl(socket_.get(), SIOCSIFMTU, &named.value) == 0 ? 0 : errno;
}

LinkChanges LinkWatch::read() noexcept {
  LinkChanges changes;
  alignas(nlmsghdr) std::array<std::uint8_t, 32 * 1024> buffer;
  // Leaves room for every message that one datagram may hold about this interface.
  while (changes.count < changes.states.size() / 2) {
    const auto received = receiveFromKernel(socket_.get(), buffer);
    if (!received.ok()) {
      if (received.error == ENOBUFS) {
        // Messages were lost: only the outcome can still be told.
        const auto now = state();
        if (now.ok()) changes.states[changes.count++] = now.value;
        changes.left |= now.error == ENODEV;
      }
      return changes;
    }
    forEachMessage(std::span(buffer).first(received.value), [&](const NetlinkMessage& message) {
      const auto link = parseLink(message);
      if (!link || link->index != index_) return;
      changes.left |= message.type == RTM_DELLINK;
      if (message.type != RTM_NEWLINK || link->mtu == 0) return;
      if (changes.count == changes.states.size()) changes.count--;
      changes.states[changes.count++] = {(link->flags & IFF_UP) != 0, link->mtu};
    });
  }
  return changes;
}

}  // namespace beam::sys
