// Netlink parsing: whatever the bytes, it stays inside them.
#include <sys/socket.h>

#include <cerrno>
#include <random>

#include "../sys/netlinkMessage.h"
#include "../sys/netlinkSocket.h"
#include "check.h"

namespace beam::sys {

namespace {

/** RTM_NEWLINK for interface 7, up, with IFLA_IFNAME and IFLA_MTU 1420. */
std::vector<std::uint8_t> linkDatagram(std::uint16_t type = RTM_NEWLINK) {
  ifinfomsg header = {};
  header.ifi_index = 7;
  header.ifi_flags = 1;
  NetlinkRequest message(type, header);
  message.attribute(IFLA_IFNAME, Bytes(reinterpret_cast<const std::uint8_t*>("beam0"), 6));
  message.attribute(IFLA_MTU, std::uint32_t{1420});
  const Bytes bytes = message.numbered(3);
  return {bytes.begin(), bytes.end()};
}

struct Seen {
  unsigned messages = 0;
  std::optional<LinkMessage> link;
};

/** The bytes are copied to a heap block of their size, so that ASan sees any step outside. */
Seen parse(Bytes bytes) {
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  Seen seen;
  forEachMessage(exact, [&](const NetlinkMessage& message) {
    seen.messages++;
    (void)parseError(message);
    if (const auto link = parseLink(message)) seen.link = link;
  });
  return seen;
}

void readsLink() {
  const auto seen = parse(linkDatagram());
  CHECK_EQUAL(seen.messages, 1u);
  CHECK(seen.link.has_value());
  CHECK_EQUAL(seen.link->index, 7);
  CHECK_EQUAL(seen.link->mtu, 1420u);
  CHECK(!parse(linkDatagram(RTM_NEWADDR)).link);
}
const test::Register kReadsLink("a link message gives index, flags and MTU", readsLink);

void readsEvery() {
  auto bytes = linkDatagram();
  const auto second = linkDatagram(RTM_DELLINK);
  bytes.insert(bytes.end(), second.begin(), second.end());
  CHECK_EQUAL(parse(bytes).messages, 2u);
}
const test::Register kReadsEvery("a datagram of two messages gives both", readsEvery);

void survivesTruncation() {
  const auto bytes = linkDatagram();
  for (std::size_t length = 0; length < bytes.size(); length++) {
    CHECK_EQUAL(parse(Bytes(bytes).first(length)).messages, 0u);
  }
}
const test::Register kTruncation("a message that is cut anywhere gives nothing", survivesTruncation);

void survivesLengths() {
  const auto good = linkDatagram();
  for (const std::uint32_t length : {0u, 1u, 15u, 0x7fffffffu, 0xfffffffcu, 0xffffffffu}) {
    auto bytes = good;
    std::memcpy(bytes.data(), &length, sizeof length);
    CHECK_EQUAL(parse(bytes).messages, 0u);
  }
  constexpr std::size_t kFirstAttribute = sizeof(nlmsghdr) + sizeof(ifinfomsg);
  for (const std::uint16_t length : {0, 1, 3, 0x7fff, 0xffff}) {
    auto bytes = good;
    std::memcpy(bytes.data() + kFirstAttribute, &length, sizeof length);
    const auto seen = parse(bytes);
    CHECK(seen.link.has_value());
    CHECK_EQUAL(seen.link->mtu, 0u);
  }
}
const test::Register kLengths("wrong lengths end the walk", survivesLengths);

void survivesNoise() {
  const unsigned seed = std::random_device{}();
  std::printf("(seed %u) ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200'000; round++) {
    auto bytes = linkDatagram();
    const unsigned changes = 1 + random() % 8;
    for (unsigned i = 0; i < changes; i++) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    (void)parse(bytes);
  }
}
const test::Register kNoise("changed bytes never lead outside the datagram", survivesNoise);

void readsErrors() {
  const auto errorOf = [](std::int32_t code) {
    std::array<std::uint8_t, 4> payload;
    std::memcpy(payload.data(), &code, sizeof code);
    return parseError({NLMSG_ERROR, 1, payload}).value();
  };
  CHECK_EQUAL(errorOf(0), 0);
  CHECK_EQUAL(errorOf(-ENODEV), ENODEV);
  CHECK_EQUAL(errorOf(1), EPROTO);
  CHECK_EQUAL(errorOf(INT32_MIN), EPROTO);
  CHECK_EQUAL(parseError({NLMSG_ERROR, 1, {}}).value(), EPROTO);
  CHECK(!parseError({RTM_NEWLINK, 1, {}}));
}
const test::Register kErrors("an error message gives its errno, whatever it holds", readsErrors);

void boundsRequests() {
  NetlinkRequest request(RTM_GETLINK, ifinfomsg{});
  const std::array<std::uint8_t, 64> value{};
  for (int i = 0; i < 10; i++) request.attribute(IFLA_IFNAME, value);
  CHECK(request.numbered(1).size() <= 160);
}
const test::Register kRequests("a request never outgrows its buffer", boundsRequests);

void asksKernel() {
  NetlinkClient client;
  for (int i = 0; i < 3; i++) {
    ifinfomsg header = {};
    header.ifi_index = 1;
    NetlinkRequest request(RTM_GETLINK, header);
    const auto answer = client.ask(request);
    CHECK_EQUAL(answer.error, 0);
    CHECK_EQUAL(parseLink(answer.value)->index, 1);
    NetlinkRequest wrong(RTM_GETLINK, ifinfomsg{AF_UNSPEC, 0, 0, 0x7ffffff0, 0, 0});
    CHECK_EQUAL(client.ask(wrong).error, ENODEV);
  }
}
const test::Register kAsks("the kernel answers questions one after the other", asksKernel);

}  // namespace

}  // namespace beam::sys
