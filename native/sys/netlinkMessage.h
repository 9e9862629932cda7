// Netlink messages as bytes: requests being built, datagrams being walked, attributes being found.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace beam::sys {

using Bytes = std::span<const std::uint8_t>;

/** Lengths round up to four bytes, in messages and attributes alike. */
[[nodiscard]] constexpr std::size_t netlinkAlign(std::size_t length) noexcept {
  return (length + 3) & ~std::size_t{3};
}

/** A value in host order at the start of the bytes; nothing if they are too few. */
template <class T>
[[nodiscard]] std::optional<T> readValue(Bytes bytes) noexcept {
  T value;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/** A request with its family header and attributes. */
class NetlinkRequest {
 public:
  template <class Header>
  NetlinkRequest(std::uint16_t type, const Header& header) noexcept {
    append(Bytes(reinterpret_cast<const std::uint8_t*>(&kNoHeader), sizeof kNoHeader));
    append(Bytes(reinterpret_cast<const std::uint8_t*>(&header), sizeof header));
    header_.nlmsg_type = type;
    header_.nlmsg_flags = NLM_F_REQUEST;
  }

  void attribute(std::uint16_t type, Bytes value) noexcept {
    const rtattr head{static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), type};
    append(Bytes(reinterpret_cast<const std::uint8_t*>(&head), sizeof head));
    append(value);
  }

  template <class T>
  void attribute(std::uint16_t type, const T& value) noexcept {
    attribute(type, Bytes(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
  }

  /** Asks for an answer where success has none. */
  void acknowledge() noexcept { header_.nlmsg_flags |= NLM_F_ACK; }

  /** The finished message. */
  [[nodiscard]] Bytes numbered(std::uint32_t sequence) noexcept {
    header_.nlmsg_len = static_cast<std::uint32_t>(used_);
    header_.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    return Bytes(bytes_).first(used_);
  }

 private:
  // Requests are small and fixed; what doesn't fit would be a bug, and the kernel refuses the rest.
  void append(Bytes part) noexcept {
    if (bytes_.size() - used_ < netlinkAlign(part.size())) return;
    std::memcpy(bytes_.data() + used_, part.data(), part.size());
    used_ += netlinkAlign(part.size());
  }

  static constexpr nlmsghdr kNoHeader{};
  nlmsghdr header_{};
  alignas(nlmsghdr) std::array<std::uint8_t, 160> bytes_{};
  std::size_t used_ = 0;
};

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::uint32_t sequence = 0;
  /** What follows the header. */
  Bytes payload;
};

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

/** The value of the first attribute of that type past `headerBytes` of family header. */
[[nodiscard]] std::optional<Bytes> findAttribute(Bytes payload, std::size_t headerBytes,
                                                 std::uint16_t type) noexcept;

struct LinkMessage {
  int index = 0;
  unsigned flags = 0;
  /** 0 if the message has none. */
  std::uint32_t mtu = 0;
};

/** RTM_NEWLINK and RTM_DELLINK of the device itself (not of a bridge port); nothing for others. */
[[nodiscard]] std::optional<LinkMessage> parseLink(const NetlinkMessage& message) noexcept;

/** The errno above zero in an NLMSG_ERROR; 0 is an acknowledgement. Nothing for other messages. */
[[nodiscard]] std::optional<int> parseError(const NetlinkMessage& message) noexcept;

}  // namespace beam::sys
