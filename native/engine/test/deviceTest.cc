// Two whole engines in one process, each with its thread, over socket pairs and loopback: what one
// system sends, the other gets, while the control plane changes things. TSan's main course.
#include <errno.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>

#include "core/device.h"
#include "packet/ip.h"
#include "packet/segmenter.h"
#include "sys/clock.h"
#include "test/check.h"
#include "test/packets.h"

using namespace beam;
using namespace beam::packet;
using core::Device;
using core::PeerRef;
using beam::test::Random;

namespace {

constexpr PeerRef kPeer{0, 1};

std::unique_ptr<Device> openDevice(cipher::Choice choice, std::atomic<uint32_t>& wakes,
                                   core::OffloadSwitches switches = {}, uint32_t queues = 1) {
  core::DeviceOptions options;
  options.pair = true;
  options.pairVnet = true;
  options.queues = queues;
  options.cipher = choice;
  options.switches = switches;
  options.wake = [&wakes] { wakes++; };
  std::unique_ptr<Device> device;
  std::string reason;
  CHECK(Device::open(std::move(options), device, reason) == 0);
  device->pairLink(true, 1420);
  return device;
}

void connect(Device& device, uint16_t remotePort, uint8_t theirs, uint8_t outer = 4) {
  device.addPeer(kPeer);
  PathRecord path{};
  path.family = outer;
  path.port = remotePort;
  path.remote = {127, 0, 0, 1};
  if (outer == 6) {
    path.remote = {};
    path.remote[15] = 1;
  }
  device.setPath(kPeer, path);
  const AddressBits address{(uint64_t{10} << 56) | (uint64_t{7} << 48) | (uint64_t{theirs} << 32), 0};
  const AddressBits address6{0xfd07000000000000, theirs};
  device.changeAllowedIps(kPeer, true, {}, {{4, 32, address}, {6, 128, address6}});
}

void install(Device& device, uint32_t generation, bool initiator, Suite suite) {
  std::array<uint8_t, 32> keys[2];
  keys[0].fill(static_cast<uint8_t>(generation));
  keys[1].fill(static_cast<uint8_t>(generation + 100));
  const uint32_t index = generation * 2 + (initiator ? 0 : 1);
  const core::NewSession session{initiator, index, index ^ 1, suite, kernel::bootNs(),
                                 {UINT64_MAX / 2, UINT64_MAX, UINT64_MAX - 8192, UINT64_MAX,
                                  core::kNever, core::kNever, 180'000'000'000}};
  device.installKeys(kPeer, session, keys[initiator ? 0 : 1], keys[initiator ? 1 : 0]);
}

/** A new session on both ends, confirmed before anything else happens. */
void rekey(Device& a, Device& b, uint32_t generation, Suite suite) {
  const uint64_t before = kernel::bootNs();
  install(b, generation, false, suite);
  b.stats();  // a round trip: b has the keys before a uses them
  install(a, generation, true, suite);
  for (int tries = 0; b.traffic(kPeer).createdNs < before; tries++) {
    CHECK(tries < 100'000);
    sched_yield();
  }
}

/** What the system got, as single packets. */
void takePackets(Device& device, std::vector<std::vector<uint8_t>>& into, uint32_t queue = 0) {
  while (auto framed = device.pairRead(queue)) {
    VnetHeader vnet;
    CHECK(framed->size() > sizeof vnet);
    std::memcpy(&vnet, framed->data(), sizeof vnet);
    const size_t bytes = framed->size() - sizeof vnet;
    std::vector<uint8_t> buffer(framed->begin() + sizeof vnet, framed->end());
    buffer.resize(bytes + kPaddingMultiple);
    Segmenter segmenter;
    CHECK(segmenter.begin(vnet, {buffer.data(), bytes}, 65535));
    const size_t first = into.size();
    into.resize(first + segmenter.count());
    for (uint32_t pass = 0; pass < 2; pass++) {
      for (uint32_t i = pass; i < segmenter.count(); i += 2) {
        const auto placed = segmenter.place(i);
        into[first + i].assign(placed.begin(), placed.end());
        into[first + i].resize(parseIp(placed)->totalBytes);
      }
      segmenter.restore();
    }
  }
}

void exchange(cipher::Choice choice, Suite suite, core::OffloadSwitches switches, int rounds,
              uint32_t queues = 1) {
  Random random(31);
  std::atomic<uint32_t> wakes{0};
  auto a = openDevice(choice, wakes, switches, queues);
  auto b = openDevice(choice, wakes, switches, queues);
  const int portA = a->bind(0);
  const int portB = b->bind(0);
  CHECK(portA > 0 && portB > 0);
  // The test packets go from 10.7.0.1 to 10.7.0.2 and from fd07::1 to fd07::2.
  connect(*a, static_cast<uint16_t>(portB), 2);
  connect(*b, static_cast<uint16_t>(portA), 1);
  uint32_t generation = 1;
  rekey(*a, *b, generation, suite);
  for (int round = 0; round < rounds; round++) {
    std::vector<std::vector<uint8_t>> sent;
    // Few enough that no socket buffer overflows.
    for (uint32_t count = 1 + random.below(3); count > 0; count--) {
      auto shape = test::randomShape(random);
      shape.trafficClass &= 0xfe;
      shape.gsoBytes = std::max<uint16_t>(shape.gsoBytes, 64);
      shape.payloadBytes = std::min<uint32_t>(shape.payloadBytes, shape.gsoBytes * 20);
      if (shape.gsoBytes > 1300) shape.gsoBytes = 1300;
      const auto super = test::makePacket(shape, random);
      std::vector<uint8_t> framed(sizeof super.vnet);
      std::memcpy(framed.data(), &super.vnet, sizeof super.vnet);
      framed.insert(framed.end(), super.bytes.begin(), super.bytes.end());
      CHECK(a->pairWrite(framed, random.below(queues)));
      std::vector<uint8_t> buffer = super.bytes;
      buffer.resize(super.bytes.size() + kPaddingMultiple);
      Segmenter segmenter;
      CHECK(segmenter.begin(super.vnet, {buffer.data(), super.bytes.size()}, 1420));
      const size_t first = sent.size();
      sent.resize(first + segmenter.count());
      for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = pass; i < segmenter.count(); i += 2) {
          const auto placed = segmenter.place(i);
          sent[first + i].assign(placed.begin(), placed.end());
          sent[first + i].resize(parseIp(placed)->totalBytes);
        }
        segmenter.restore();
      }
    }
    if (random.chance(20)) {
      rekey(*a, *b, ++generation, suite);
    }
    if (random.chance(10)) a->clearLocalAddress(kPeer);
    std::vector<std::vector<uint8_t>> received;
    for (int tries = 0; received.size() < sent.size() && tries < 20000; tries++) {
      for (uint32_t queue = 0; queue < queues; queue++) takePackets(*b, received, queue);
      a->takeEvents();
      b->takeEvents();
      if (tries % 64 == 0) b->stats();
      const timespec pause{0, 100'000};
      nanosleep(&pause, nullptr);
    }
    if (received.size() != sent.size()) {
      const auto drops = b->stats().counters.drops;
      for (size_t i = 0; i < drops.size(); i++) {
        if (drops[i] > 0) std::fprintf(stderr, "b %s %lu\n", core::kDropReasonNames[i], drops[i]);
      }
    }
    // The kernel's GRO and ours keep the order within a flow; across flows it is free.
    std::sort(sent.begin(), sent.end());
    std::sort(received.begin(), received.end());
    CHECK(received == sent);
  }
  CHECK(a->traffic(kPeer).sentBytes > 0 && b->traffic(kPeer).receivedBytes > 0);
  CHECK(wakes > 0);
}

TEST(chacha, "two engines carry ChaCha20-Poly1305 super-packets while keys change") {
  exchange(cipher::Choice::best, Suite::chacha20Poly1305, {}, 40);
}
TEST(aes, "two engines carry AES-256-GCM super-packets while keys change") {
  exchange(cipher::Choice::best, Suite::aes256Gcm, {}, 40);
}
TEST(queues, "devices of two and three queues carry packets while keys and paths change") {
  exchange(cipher::Choice::best, Suite::chacha20Poly1305, {}, 60, 2);
  exchange(cipher::Choice::best, Suite::aes256Gcm, {}, 60, 3);
}
TEST(openssl, "two engines carry super-packets by OpenSSL") {
  exchange(cipher::Choice::evp, Suite::chacha20Poly1305, {}, 20);
}
TEST(bare, "two engines carry packets without any offload") {
  exchange(cipher::Choice::best, Suite::chacha20Poly1305, {false, false, false}, 20);
}

/** Two engines with a session, over loopback. */
std::pair<std::unique_ptr<Device>, std::unique_ptr<Device>> connectedPair(
    std::atomic<uint32_t>& wakes, uint8_t outer = 4) {
  auto a = openDevice(cipher::Choice::best, wakes);
  auto b = openDevice(cipher::Choice::best, wakes);
  const int portA = a->bind(0);
  const int portB = b->bind(0);
  CHECK(portA > 0 && portB > 0);
  connect(*a, static_cast<uint16_t>(portB), 2, outer);
  connect(*b, static_cast<uint16_t>(portA), 1, outer);
  rekey(*a, *b, 1, Suite::chacha20Poly1305);
  return {std::move(a), std::move(b)};
}

/** Sends one super-packet of ten full segments from a to b; how many packets arrive. */
size_t arrivals(Device& a, Device& b, Random& random, uint8_t version, bool tcp) {
  const auto super = test::makePacket({.version = version, .tcp = tcp, .gsoBytes = 1000,
                                       .payloadBytes = 10'000}, random);
  std::vector<uint8_t> framed(sizeof super.vnet);
  std::memcpy(framed.data(), &super.vnet, sizeof super.vnet);
  framed.insert(framed.end(), super.bytes.begin(), super.bytes.end());
  CHECK(a.pairWrite(framed));
  std::vector<std::vector<uint8_t>> received;
  for (int tries = 0; received.size() < 10 && tries < 300; tries++) {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
    takePackets(b, received);
  }
  return received.size();
}

TEST(faults, "an offload that fails is switched off, and no more than its batch is lost") {
  Random random(33);
  std::atomic<uint32_t> wakes{0};
  auto a = openDevice(cipher::Choice::best, wakes);
  const int portA = a->bind(0);
  // TSO and USO: the TUN refuses a joined packet.
  for (const int error : {EIO, EINVAL}) {
    auto c = openDevice(cipher::Choice::best, wakes);
    const int portC = c->bind(0);
    connect(*c, static_cast<uint16_t>(portA), 1);
    connect(*a, static_cast<uint16_t>(portC), 2);
    rekey(*a, *c, error == EIO ? 2 : 3, Suite::chacha20Poly1305);
    for (const bool tcp : {true, false}) {
      for (const uint8_t version : {4, 6}) {
        c->pairFaults({.joinedWrite = error});
        CHECK(arrivals(*a, *c, random, version, tcp) < 10);
        const core::Stats stats = c->stats();
        const core::Families& join = tcp ? stats.joinTcp : stats.joinUdp;
        CHECK(version == 4 ? !join.four && join.six : !join.six);
        CHECK(stats.counters.drops[static_cast<size_t>(core::Drop::tunWriteFailed)] > 0);
        CHECK(arrivals(*a, *c, random, version, tcp) == 10);
        c->pairFaults({});
      }
    }
  }
}

TEST(readFaults, "a TUN that can't hand super-packets over loses USO first, then TSO, and no more") {
  Random random(34);
  std::atomic<uint32_t> wakes{0};
  for (const int error : {EIO, EINVAL}) {
    auto [a, b] = connectedPair(wakes);
    CHECK(a->stats().tunTcp && a->stats().tunUdp);
    a->pairFaults({.offloadRead = error});
    for (int round = 0; round < 2; round++) {
      for (const uint8_t version : {4, 6}) CHECK(arrivals(*a, *b, random, version, true) == 10);
    }
    CHECK(!a->stats().tunTcp && !a->stats().tunUdp);
  }
}

TEST(segmentFaults, "UDP_SEGMENT that fails is left to the path, or switched off for its family") {
  Random random(35);
  std::atomic<uint32_t> wakes{0};
  for (const uint8_t outer : {4, 6}) {
    auto [a, b] = connectedPair(wakes, outer);
    const auto used = [&, &sender = *a] {
      const core::Families families = sender.stats().udpSegment;
      return outer == 4 ? families.four : families.six;
    };
    a->pairFaults({.segmentSend = EINVAL});
    CHECK(arrivals(*a, *b, random, 4, true) == 10);
    CHECK(used());  // a matter of the path, not of the machine
    a->setPath(kPeer, a->traffic(kPeer).path);
    a->pairFaults({.segmentSend = EIO});
    CHECK(arrivals(*a, *b, random, 6, true) == 10);
    CHECK(!used());
    const core::Families rest = a->stats().udpSegment;
    CHECK(outer == 4 ? rest.six : rest.four);
    CHECK(arrivals(*a, *b, random, 4, true) == 10);
    CHECK(a->stats().counters.drops[static_cast<size_t>(core::Drop::sendFailed)] == 0);
    CHECK(a->bind(0) > 0);
    CHECK(!used());  // new sockets don't bring it back
  }
}

TEST(groFaults, "UDP_GRO that fails is switched off for its family, and only what had arrived is lost") {
  Random random(36);
  std::atomic<uint32_t> wakes{0};
  for (const uint8_t outer : {4, 6}) {
    for (const int error : {EIO, EINVAL}) {
      auto [a, b] = connectedPair(wakes, outer);
      CHECK(b->stats().udpGro.four && b->stats().udpGro.six);
      b->pairFaults({.groReceive = error});
      arrivals(*a, *b, random, 4, false);
      for (const uint8_t version : {4, 6}) CHECK(arrivals(*a, *b, random, version, false) == 10);
      const core::Families gro = b->stats().udpGro;
      CHECK(outer == 4 ? !gro.four && gro.six : gro.four && !gro.six);
      const int port = b->bind(0);
      CHECK(port > 0);
      connect(*a, static_cast<uint16_t>(port), 2, outer);
      const core::Families after = b->stats().udpGro;
      CHECK(outer == 4 ? !after.four && after.six : after.four && !after.six);
    }
  }
}

TEST(ends, "an engine ends with packets, events and commands under way") {
  Random random(32);
  for (int round = 0; round < 20; round++) {
    std::atomic<uint32_t> wakes{0};
    auto device = openDevice(cipher::Choice::best, wakes);
    CHECK(device->bind(0) > 0);
    connect(*device, 9, 2);
    for (uint32_t i = 0; i < 50; i++) {
      const auto packet = test::makePacket({.payloadBytes = 100}, random);
      std::vector<uint8_t> framed(sizeof packet.vnet);
      framed.insert(framed.end(), packet.bytes.begin(), packet.bytes.end());
      device->pairWrite(framed);
      if (i == 25) install(*device, 1, true, Suite::aes256Gcm);
      if (i % 7 == 0) device->sendKeepalive(kPeer);
    }
    if (round % 3 == 0) device->removePeer(kPeer);
    if (round % 4 == 0) device->unbind();
    device.reset();
  }
}

}  // namespace
