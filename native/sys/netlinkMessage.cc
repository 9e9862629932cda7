#include "netlinkMessage.h"

#include <sys/socket.h>

#include <cerrno>

namespace beam::sys {

std::optional<Bytes> findAttribute(Bytes payload, std::size_t headerBytes,
                                   std::uint16_t type) noexcept {
  const std::size_t start = netlinkAlign(headerBytes);
  if (start > payload.size()) return std::nullopt;
  Bytes rest = payload.subspan(start);
  while (const auto attribute = readValue<rtattr>(rest)) {
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > rest.size()) break;
    if (attribute->rta_type == type) {
      return rest.first(attribute->rta_len).subspan(sizeof(rtattr));
    }
    const std::size_t next = netlinkAlign(attribute->rta_len);
    if (next >= rest.size()) break;
    rest = rest.subspan(next);
  }
  return std::nullopt;
}

std::optional<LinkMessage> parseLink(const NetlinkMessage& message) noexcept {
  if (message.type != RTM_NEWLINK && message.type != RTM_DELLINK) return std::nullopt;
  const auto header = readValue<ifinfomsg>(message.payload);
  if (!header || header->ifi_family != AF_UNSPEC) return std::nullopt;
  LinkMessage link{header->ifi_index, header->ifi_flags, 0};
  if (const auto mtu = findAttribute(message.payload, sizeof(ifinfomsg), IFLA_MTU)) {
    link.mtu = readValue<std::uint32_t>(*mtu).value_or(0);
  }
  return link;
}

std::optional<int> parseError(const NetlinkMessage& message) noexcept {
  if (message.type != NLMSG_ERROR) return std::nullopt;
  const auto error = readValue<std::int32_t>(message.payload);
  // The most negative number has no opposite, and no errno is near it.
  if (!error || *error > 0 || *error < -4095) return EPROTO;
  return -*error;
}

}  // namespace beam::sys
