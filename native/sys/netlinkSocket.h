// NETLINK_ROUTE sockets in our own namespace: one that listens, one that asks.
#pragma once

#include <array>
#include <cstdint>

#include "fd.h"
#include "netlinkMessage.h"

namespace beam::sys {

/** A datagram of the kernel's, with the namespace that it is about. */
struct NetlinkDatagram {
  std::size_t length = 0;
  /** Our id for another namespace; -1 for our own. */
  int namespaceId = -1;
};

[[nodiscard]] Result<UniqueFd> openNetlink() noexcept;

/** Only ever from the kernel (another process's are skipped). EAGAIN if none waits. */
[[nodiscard]] Result<NetlinkDatagram> receiveNetlink(int socket,
                                                     std::span<std::uint8_t> into) noexcept;

/** Asks one question at a time. The kernel answers within the call, so nothing is waited for. */
class NetlinkClient {
 public:
  /** The answer's first message, valid until the next question; or the errno of an NLMSG_ERROR. */
  [[nodiscard]] Result<NetlinkMessage> ask(NetlinkRequest& request) noexcept;

 private:
  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  alignas(nlmsghdr) std::array<std::uint8_t, 16 * 1024> answer_{};
};

}  // namespace beam::sys
