#include "netlinkMessage.h"

#include <sys/socket.h>

#include <cerrno>

namespace beam::sys {

Result<std::size_t> receiveFromKernel(int socket, std::span<std::uint8_t> into) noexcept {
  for (;;) {
    sockaddr_nl source = {};
    socklen_t sourceBytes = sizeof source;
    const ssize_t count = ::recvfrom(socket, into.data(), into.size(), 0,
                                     reinterpret_cast<sockaddr*>(&source), &sourceBytes);
    if (count >= 0) {
      if (source.nl_pid == 0) return {static_cast<std::size_t>(count)};
    } else if (errno != EINTR) {
      return failed<std::size_t>(errno);
    }
  }
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

}  // namespace beam::sys
