#include "link.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "netns.h"
#include "tun.h"

// Linux 4.20; older kernel headers call the same number IFLA_IF_NETNSID.
#ifndef IFLA_TARGET_NETNSID
#define IFLA_TARGET_NETNSID 46
#endif

namespace beam::sys {

namespace {

/** Our id for the interface's namespace; -1 for our own. */
Result<int> locate(NetlinkClient& client, int tunFd, bool assumeHere) noexcept {
  const auto place = tunNamespace(tunFd);
  if (!place.ok() && (!assumeHere || place.error == EBADFD)) return failed<int>(place.error);
  if (!place.ok() || isCurrentNamespace(place.value.get())) return {-1};
  return namespaceId(client, place.value.get());
}

/** No socket if the changes of another namespace may not be heard. */
Result<UniqueFd> listenForLinks(bool elsewhere) noexcept {
  auto socket = openNetlink();
  if (!socket.ok()) return socket;
  sockaddr_nl local = {};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_LINK;
  const auto* const address = reinterpret_cast<const sockaddr*>(&local);
  if (::bind(socket.value.get(), address, sizeof local) != 0) return failed<UniqueFd>(errno);
  const int on = 1;
  if (elsewhere && ::setsockopt(socket.value.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on,
                                sizeof on) != 0) {
    return {};
  }
  return socket;
}

Result<LinkMessage> askLink(NetlinkClient& client, int namespaceId, int index,
                            Bytes name) noexcept {
  ifinfomsg header = {};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  NetlinkRequest request(RTM_GETLINK, header);
  if (!name.empty()) request.attribute(IFLA_IFNAME, name);
  if (namespaceId >= 0) request.attribute(IFLA_TARGET_NETNSID, namespaceId);
  const auto answer = client.ask(request);
  if (!answer.ok()) return failed<LinkMessage>(answer.error);
  const auto link = parseLink(answer.value);
  return link ? Result<LinkMessage>{*link} : failed<LinkMessage>(EPROTO);
}

Result<LinkMessage> findLink(NetlinkClient& client, int namespaceId, int tunFd) noexcept {
  // A rename between the two questions answers ENODEV once.
  for (int tries = 1;; tries++) {
    const auto identity = identifyTun(tunFd);
    if (!identity.ok()) return failed<LinkMessage>(identity.error);
    const auto& name = identity.value.name;
    const auto length = static_cast<std::size_t>(std::find(name.begin(), name.end(), 0) - name.begin());
    const Bytes text(reinterpret_cast<const std::uint8_t*>(name.data()), length + 1);
    const auto link = askLink(client, namespaceId, 0, text);
    if (link.error != ENODEV || tries == 3) return link;
  }
}

void discardWaiting(int socket, std::span<std::uint8_t> buffer) noexcept {
  constexpr int kMostDatagrams = 4096;
  for (int i = 0; i < kMostDatagrams; i++) {
    const int error = receiveNetlink(socket, buffer).error;
    if (error != 0 && error != ENOBUFS) return;
  }
}

LinkState stateOf(const LinkMessage& link) noexcept {
  return {(link.flags & IFF_UP) != 0, link.mtu};
}

}  // namespace

Result<LinkWatch> LinkWatch::open(NetlinkClient& client, int tunFd, bool assumeHere) noexcept {
  const auto place = locate(client, tunFd, assumeHere);
  if (!place.ok()) return failed<LinkWatch>(place.error);
  auto socket = listenForLinks(place.value >= 0);
  if (!socket.ok()) return failed<LinkWatch>(socket.error);
  // Listening first, asking second: no change falls between.
  const auto link = findLink(client, place.value, tunFd);
  if (!link.ok()) return failed<LinkWatch>(link.error);
  LinkWatch watch;
  watch.socket_ = std::move(socket.value);
  watch.namespaceId_ = place.value;
  watch.index_ = link.value.index;
  watch.state_ = stateOf(link.value);
  return {std::move(watch)};
}

int LinkWatch::refresh(NetlinkClient& client) noexcept {
  const auto link = askLink(client, namespaceId_, index_, {});
  if (link.ok()) state_ = stateOf(link.value);
  return link.error;
}

LinkChanges LinkWatch::read(NetlinkClient& client) noexcept {
  LinkChanges changes;
  alignas(nlmsghdr) std::array<std::uint8_t, 32 * 1024> buffer;
  // Leaves room for every message that one datagram may hold about this interface.
  while (changes.count < changes.states.size() / 2 && !changes.left) {
    const auto received = receiveNetlink(socket_.get(), buffer);
    if (received.error == ENOBUFS) {
      // Messages were lost: those that still wait are old, and only the outcome can be told.
      discardWaiting(socket_.get(), buffer);
      changes.left = refresh(client) == ENODEV;
      if (!changes.left) changes.states[changes.count++] = state_;
      return changes;
    }
    if (!received.ok()) return changes;
    if (received.value.namespaceId != namespaceId_) continue;
    forEachMessage(Bytes(buffer).first(received.value.length),
                   [&](const NetlinkMessage& message) { take(message, changes); });
  }
  return changes;
}

void LinkWatch::take(const NetlinkMessage& message, LinkChanges& changes) noexcept {
  const auto link = parseLink(message);
  if (!link || link->index != index_) return;
  if (message.type == RTM_DELLINK) {
    changes.left = true;
  } else if (link->mtu != 0 && changes.count < changes.states.size()) {
    state_ = stateOf(*link);
    changes.states[changes.count++] = state_;
  }
}

int setLinkMtu(int tunFd, std::uint32_t mtu) noexcept {
  constexpr SocketKind kAnySocket{AF_INET, SOCK_DGRAM, 0};
  const auto place = tunNamespace(tunFd);
  if (place.error == EBADFD) return EBADFD;
  const bool isHere = !place.ok() || isCurrentNamespace(place.value.get());
  const auto socket =
      isHere ? Result<UniqueFd>{UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))}
             : openSocketIn(place.value.get(), kAnySocket);
  if (!socket.ok()) return socket.error;
  const auto identity = identifyTun(tunFd);
  if (!identity.ok()) return identity.error;
  ifreq request = {};
  std::copy(identity.value.name.begin(), identity.value.name.end(), request.ifr_name);
  request.ifr_mtu = static_cast<int>(std::min<std::uint32_t>(mtu, INT32_MAX));
  return ::ioctl(socket.value.get(), SIOCSIFMTU, &request) == 0 ? 0 : errno;
}

}  // namespace beam::sys
