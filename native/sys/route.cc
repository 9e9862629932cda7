#include "route.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>

namespace beam::sys {

Result<int> interfaceFor(NetlinkClient& client, const Flow4& flow) noexcept {
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 32;
  header.rtm_src_len = 32;
  NetlinkRequest request(RTM_GETROUTE, header);
  request.attribute(RTA_DST, flow.destination);
  request.attribute(RTA_SRC, flow.source);
  request.attribute(RTA_MARK, flow.mark);
  // With these the choice among equal-cost routes is the packet's own.
  request.attribute(RTA_IP_PROTO, std::uint8_t{IPPROTO_UDP});
  request.attribute(RTA_SPORT, htons(flow.sourcePort));
  request.attribute(RTA_DPORT, htons(flow.destinationPort));
  const auto answer = client.ask(request);
  if (!answer.ok()) return failed<int>(answer.error);
  if (answer.value.type != RTM_NEWROUTE) return failed<int>(EPROTO);
  const auto out = findAttribute(answer.value.payload, sizeof(rtmsg), RTA_OIF);
  const auto index = out ? readValue<int>(*out) : std::nullopt;
  return index ? Result<int>{*index} : failed<int>(EPROTO);
}

}  // namespace beam::sys
