// UDP sockets on loopback.
#include "../sys/udp.h"

#include <poll.h>

#include <cerrno>

#include "../sys/process.h"
#include "check.h"

namespace beam::sys {

namespace {

struct Inbox {
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kUdpBatchDatagrams * kUdpSlotBytes);
  std::array<DatagramRecord, kUdpBatchDatagrams> records{};

  std::size_t wait(UdpSocket& socket) {
    pollfd question = {socket.fd(), POLLIN, 0};
    CHECK(::poll(&question, 1, 2000) == 1);
    return socket.receive(buffer, records);
  }
};

std::unique_ptr<UdpSocket> opened(Family family, std::uint16_t port = 0) {
  auto socket = UdpSocket::open(family, port, 0);
  CHECK_EQUAL(socket.error, 0);
  return std::move(socket.value);
}

PathRecord loopback(const UdpSocket& to, Family family) {
  PathRecord path;
  path.family = static_cast<std::uint8_t>(family);
  path.port = to.port();
  if (family == Family::v4) {
    path.remote = {127, 0, 0, 1};
  } else {
    path.remote[15] = 1;
  }
  return path;
}

const char* needsIpv6() {
  return UdpSocket::open(Family::v6, 0, 0).ok() ? nullptr : "IPv6 is off";
}

void roundTrip(Family family, std::size_t largest) {
  const auto a = opened(family);
  const auto b = opened(family);
  Inbox inbox;
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{1452}, largest}) {
    const std::vector<std::uint8_t> bytes(length, 0x5a);
    PathRecord path = loopback(*b, family);
    CHECK_EQUAL(a->send(path, bytes, 0x89).error, 0);
    CHECK_EQUAL(inbox.wait(*b), 1u);
    const DatagramRecord& record = inbox.records[0];
    CHECK_EQUAL(record.length, length);
    CHECK_EQUAL(record.trafficClass, 0x89);
    CHECK_EQUAL(record.path.port, a->port());
    CHECK(record.path.remote == path.remote && record.path.local == path.remote);
    CHECK_EQUAL(record.path.hasLocal, 1);
    CHECK_EQUAL(record.path.interfaceIndex, 1u);
    CHECK_EQUAL(record.samePath, length == 0 ? 0 : 1);
    // What was received is a path to send by, source included.
    PathRecord back = record.path;
    const auto outcome = b->send(back, bytes, 0);
    CHECK(outcome.error == 0 && !outcome.localStale);
    CHECK_EQUAL(inbox.wait(*a), 1u);
    CHECK_EQUAL(inbox.records[0].length, length);
  }
  const std::vector<std::uint8_t> tooLong(largest + 1);
  PathRecord path = loopback(*b, family);
  CHECK_EQUAL(a->send(path, tooLong, 0).error, EMSGSIZE);
}
void roundTrip4() { roundTrip(Family::v4, 65'507); }
void roundTrip6() { roundTrip(Family::v6, 65'527); }
const test::Register kRoundTrip4("IPv4 datagrams of 0 to 65,507 bytes go there and back", roundTrip4);
const test::Register kRoundTrip6("IPv6 datagrams of 0 to 65,527 bytes go there and back", roundTrip6,
                                 needsIpv6);

void batches() {
  const auto a = opened(Family::v4);
  const auto other = opened(Family::v4);
  const auto b = opened(Family::v4);
  PathRecord path = loopback(*b, Family::v4);
  for (std::uint8_t i = 0; i < 100; i++) {
    const std::array<std::uint8_t, 1> bytes = {i};
    auto& from = i == 50 ? *other : *a;
    CHECK_EQUAL(from.send(path, bytes, 0).error, 0);
  }
  Inbox inbox;
  std::size_t seen = 0;
  for (const std::size_t wanted : {std::size_t{64}, std::size_t{36}}) {
    CHECK_EQUAL(inbox.wait(*b), wanted);
    for (std::size_t i = 0; i < wanted; i++, seen++) {
      CHECK_EQUAL(inbox.buffer[inbox.records[i].offset], seen);
      CHECK_EQUAL(inbox.records[i].samePath, seen == 0 || seen == 50 || seen == 51 ? 0 : 1);
    }
  }
  CHECK_EQUAL(b->receive(inbox.buffer, inbox.records), 0u);
}
const test::Register kBatches("a batch is 64 at most, in order, and tells a change of source", batches);

void smallBuffers() {
  const auto a = opened(Family::v4);
  const auto b = opened(Family::v4);
  PathRecord path = loopback(*b, Family::v4);
  const std::array<std::uint8_t, 8> bytes{};
  for (int i = 0; i < 5; i++) CHECK_EQUAL(a->send(path, bytes, 0).error, 0);
  std::vector<std::uint8_t> buffer(2 * kUdpSlotBytes + 100);
  std::vector<DatagramRecord> records(3);
  CHECK_EQUAL(b->receive(buffer, records), 2u);
  records.resize(1);
  CHECK_EQUAL(b->receive(buffer, records), 1u);
}
const test::Register kSmall("no more is read than buffer and records hold", smallBuffers);

void staleLocal() {
  const auto a = opened(Family::v4);
  const auto b = opened(Family::v4);
  const std::array<std::uint8_t, 8> bytes{};
  PathRecord path = loopback(*b, Family::v4);
  path.hasLocal = 1;
  path.local = {192, 0, 2, 77};
  for (const std::uint32_t index : {0u, 1u, 12345u}) {
    path.interfaceIndex = index;
    const auto outcome = a->send(path, bytes, 0);
    CHECK(outcome.error == 0 && outcome.localStale);
  }
  path.local = {127, 0, 0, 1};
  path.interfaceIndex = 12345;
  path.routeCheckedS = 0;
  CHECK(a->send(path, bytes, 0).localStale);
  path.interfaceIndex = 1;
  CHECK(!a->send(path, bytes, 0).localStale);
  CHECK(path.routeCheckedS != 0);
  PathRecord wrong = loopback(*b, Family::v6);
  CHECK_EQUAL(a->send(wrong, bytes, 0).error, EAFNOSUPPORT);
}
const test::Register kStale("a local address that isn't ours, or elsewhere, is done without", staleLocal);

void conflicts() {
  const auto a = opened(Family::v4);
  CHECK_EQUAL(UdpSocket::open(Family::v4, a->port(), 0).error, EADDRINUSE);
  const auto v6 = UdpSocket::open(Family::v6, a->port(), 0);
  CHECK(v6.ok() || v6.error == EAFNOSUPPORT);
}
const test::Register kConflicts("a port is taken in its own family only", conflicts);

void socketErrors() {
  const auto a = opened(Family::v4);
  const auto b = opened(Family::v4);
  const int on = 1;
  // With this the kernel reports ICMP errors to the socket.
  CHECK(::setsockopt(a->fd(), IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0);
  PathRecord nowhere;
  {
    const auto closed = opened(Family::v4);
    nowhere = loopback(*closed, Family::v4);
  }
  const std::array<std::uint8_t, 8> bytes{};
  CHECK_EQUAL(a->send(nowhere, bytes, 0).error, 0);
  pollfd question = {a->fd(), POLLIN, 0};
  CHECK(::poll(&question, 1, 2000) == 1 && (question.revents & POLLERR) != 0);
  Inbox inbox;
  CHECK_EQUAL(a->receive(inbox.buffer, inbox.records), 0u);
  PathRecord path = loopback(*a, Family::v4);
  CHECK_EQUAL(b->send(path, bytes, 0).error, 0);
  CHECK_EQUAL(a->receive(inbox.buffer, inbox.records), 1u);
}
const test::Register kErrors("a pending error is taken off and receiving goes on", socketErrors);

void memoryAndClocks() {
  CHECK_EQUAL(denyCoreFiles(), 0);
  const std::vector<std::uint8_t> bytes(100);
  CHECK_EQUAL(lockMemory(bytes), 0);
  CHECK_EQUAL(unlockMemory(bytes), 0);
  const double before = bootMs();
  CHECK(bootMs() >= before && before > 0 && wallMs() > 1.6e12);
  CHECK(coarseSeconds() > 0);
}
const test::Register kProcess("clocks run and memory can be locked", memoryAndClocks);

}  // namespace

}  // namespace beam::sys
