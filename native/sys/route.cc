#include "route.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "netlinkMessage.h"

namespace beam::sys {

namespace {

/** An RTM_GETROUTE request as bytes. */
class RouteRequest {
 public:
  RouteRequest(const Flow4& flow, std::uint32_t sequence) noexcept {
    append(nlmsghdr{0, RTM_GETROUTE, NLM_F_REQUEST, sequence, 0});
    rtmsg route = {};
    route.rtm_family = AF_INET;
    route.rtm_dst_len = 32;
    route.rtm_src_len = 32;
    append(route);
    attribute(RTA_DST, flow.destination);
    attribute(RTA_SRC, flow.source);
    attribute(RTA_MARK, flow.mark);
    // With these the choice among equal-cost routes is the packet's own.
    attribute(RTA_IP_PROTO, static_cast<std::uint8_t>(IPPROTO_UDP));
    attribute(RTA_SPORT, htons(flow.sourcePort));
    attribute(RTA_DPORT, htons(flow.destinationPort));
    const auto length = static_cast<std::uint32_t>(used_);
    std::memcpy(bytes_.data(), &length, sizeof length);
  }

  [[nodiscard]] Bytes bytes() const noexcept { return Bytes(bytes_).first(used_); }

 private:
  template <class T>
  void append(const T& value) noexcept {
    static_assert(sizeof(nlmsghdr) + sizeof(rtmsg) + 6 * 8 <= sizeof bytes_);
    std::memcpy(bytes_.data() + used_, &value, sizeof value);
    used_ += netlinkAlign(sizeof value);
  }

  template <class T>
  void attribute(std::uint16_t type, const T& value) noexcept {
    append(rtattr{static_cast<std::uint16_t>(sizeof(rtattr) + sizeof value), type});
    append(value);
  }

  alignas(nlmsghdr) std::array<std::uint8_t, 96> bytes_{};
  std::size_t used_ = 0;
};

Result<int> parseAnswer(const NetlinkMessage& message) noexcept {
  if (message.type == NLMSG_ERROR) {
    const auto error = readValue<int>(message.payload);
    return failed<int>(error && *error < 0 ? -*error : EPROTO);
  }
  if (message.type != RTM_NEWROUTE) return failed<int>(EPROTO);
  const auto out = findAttribute(message.payload, sizeof(rtmsg), RTA_OIF);
  const auto index = out ? readValue<int>(*out) : std::nullopt;
  return index ? Result<int>{*index} : failed<int>(EPROTO);
}

}  // namespace

Result<int> RouteProbe::interfaceFor(const Flow4& flow) noexcept {
  if (!socket_) {
    socket_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!socket_) return failed<int>(errno);
  }
  const RouteRequest request(flow, ++sequence_);
  const Bytes bytes = request.bytes();
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) return failed<int>(errno);
  // The kernel answers within send; answers to earlier questions are passed over.
  alignas(nlmsghdr) std::array<std::uint8_t, 4096> buffer;
  for (;;) {
    const auto received = receiveFromKernel(socket_.get(), buffer);
    if (!received.ok()) return failed<int>(received.error);
    Result<int> answer = failed<int>(EAGAIN);
    forEachMessage(Bytes(buffer).first(received.value), [&](const NetlinkMessage& message) {
      if (message.sequence == sequence_) answer = parseAnswer(message);
    });
    if (answer.error != EAGAIN) return answer;
  }
}

}  // namespace beam::sys
