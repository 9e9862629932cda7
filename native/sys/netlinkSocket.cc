#include "netlinkSocket.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace beam::sys {

Result<UniqueFd> openNetlink() noexcept {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return failed<UniqueFd>(errno);
  return {UniqueFd(fd)};
}

Result<NetlinkDatagram> receiveNetlink(int socket, std::span<std::uint8_t> into) noexcept {
  for (;;) {
    sockaddr_nl source = {};
    iovec vector = {into.data(), into.size()};
    alignas(cmsghdr) std::array<std::uint8_t, 64> control;
    msghdr message = {};
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t count = ::recvmsg(socket, &message, 0);
    if (count < 0 && errno != EINTR) return failed<NetlinkDatagram>(errno);
    if (count < 0 || source.nl_pid != 0) continue;
    NetlinkDatagram datagram{static_cast<std::size_t>(count), -1};
    const cmsghdr* const part = CMSG_FIRSTHDR(&message);
    if (part != nullptr && part->cmsg_level == SOL_NETLINK &&
        part->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
      std::memcpy(&datagram.namespaceId, CMSG_DATA(part), sizeof datagram.namespaceId);
    }
    return {datagram};
  }
}

Result<NetlinkMessage> NetlinkClient::ask(NetlinkRequest& request) noexcept {
  if (!socket_) {
    auto socket = openNetlink();
    if (!socket.ok()) return failed<NetlinkMessage>(socket.error);
    socket_ = std::move(socket.value);
  }
  const Bytes question = request.numbered(++sequence_);
  if (::send(socket_.get(), question.data(), question.size(), 0) < 0) {
    return failed<NetlinkMessage>(errno);
  }
  for (;;) {
    const auto received = receiveNetlink(socket_.get(), answer_);
    if (!received.ok()) return failed<NetlinkMessage>(received.error);
    std::optional<NetlinkMessage> answer;
    forEachMessage(Bytes(answer_).first(received.value.length), [&](const NetlinkMessage& message) {
      // What came late for an earlier question is passed over.
      if (message.sequence == sequence_ && !answer) answer = message;
    });
    if (!answer) continue;
    const auto error = parseError(*answer);
    return error && *error != 0 ? failed<NetlinkMessage>(*error) : Result<NetlinkMessage>{*answer};
  }
}

}  // namespace beam::sys
