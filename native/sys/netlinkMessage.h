// Netlink messages as bytes: walking a datagram, attributes, and the two kinds that Beam reads.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "fd.h"

namespace beam::sys {

using Bytes = std::span<const std::uint8_t>;

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::uint32_t sequence = 0;
  /** What follows the header. */
  Bytes payload;
};

struct LinkMessage {
  int index = 0;
  unsigned flags = 0;
  /** 0 if the message has none. */
  std::uint32_t mtu = 0;
};

/** One datagram, only ever from the kernel (another process's are skipped); EAGAIN if none waits. */
[[nodiscard]] Result<std::size_t> receiveFromKernel(int socket,
                                                    std::span<std::uint8_t> into) noexcept;

/** RTM_NEWLINK and RTM_DELLINK of the device itself (not of a bridge port); nothing for others. */
[[nodiscard]] std::optional<LinkMessage> parseLink(const NetlinkMessage& message) noexcept;

/** The first attribute of that type past `headerBytes` of family header. */
[[nodiscard]] std::optional<Bytes> findAttribute(Bytes payload, std::size_t headerBytes,
                                                 std::uint16_t type) noexcept;

/** A value in host order at the start of the bytes; nothing if they are too few. */
template <class T>
[[nodiscard]] std::optional<T> readValue(Bytes bytes) noexcept {
  T value;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/** Lengths round up to four bytes, in messages and attributes alike. */
[[nodiscard]] constexpr std::size_t netlinkAlign(std::size_t length) noexcept {
  return (length + 3) & ~std::size_t{3};
}

/** Calls back for each whole message; stops at the first whose length is wrong. */
template <class Visit>
void forEachMessage(Bytes datagram, Visit&& visit) noexcept {
  while (const auto header = readValue<nlmsghdr>(datagram)) {
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) return;
    const Bytes whole = datagram.first(header->nlmsg_len);
    visit(NetlinkMessage{header->nlmsg_type, header->nlmsg_seq, whole.subspan(sizeof(nlmsghdr))});
    const std::size_t next = netlinkAlign(header->nlmsg_len);
    if (next >= datagram.size()) return;
    datagram = datagram.subspan(next);
  }
}

}  // namespace beam::sys
