// Round trip: any super-packet, segmented, sealed, opened and coalesced, is the same super-packet.
#include <algorithm>

#include "cipher/backends.h"
#include "packet/checksum.h"
#include "packet/coalescer.h"
#include "packet/ip.h"
#include "packet/segmenter.h"
#include "test/check.h"
#include "test/packets.h"

using namespace beam;
using namespace beam::packet;
using beam::test::Random;

namespace {

struct Written {
  VnetHeader vnet;
  std::vector<uint8_t> bytes;
  uint32_t packets;
};

class Sink final : public CoalescerSink {
 public:
  void write(std::span<const iovec> parts, uint32_t packets) override {
    Written one{{}, {}, packets};
    CHECK(parts[0].iov_len == sizeof one.vnet);
    std::memcpy(&one.vnet, parts[0].iov_base, sizeof one.vnet);
    for (const iovec& part : parts.subspan(1)) {
      const auto* bytes = static_cast<const uint8_t*>(part.iov_base);
      one.bytes.insert(one.bytes.end(), bytes, bytes + part.iov_len);
    }
    written.push_back(std::move(one));
  }
  std::vector<Written> written;
};

using Packets = std::vector<std::vector<uint8_t>>;

Packets segment(const test::SuperPacket& super, uint32_t mtu) {
  std::vector<uint8_t> buffer = super.bytes;
  buffer.resize(super.bytes.size() + kPaddingMultiple, 0xee);
  Segmenter segmenter;
  CHECK(segmenter.begin(super.vnet, {buffer.data(), super.bytes.size()}, mtu));
  Packets packets(segmenter.count());
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = pass; i < segmenter.count(); i += 2) {
      const auto placed = segmenter.place(i);
      CHECK(placed.size() == segmenter.sealedPlainBytes(i));
      packets[i].assign(placed.begin(), placed.end());
    }
    segmenter.restore();
  }
  return packets;
}

void checkWhole(std::span<const uint8_t> packet) {
  const auto ip = parseIp(packet);
  CHECK(ip);
  const auto whole = packet.first(ip->totalBytes);
  const auto l4 = whole.subspan(ip->headerBytes);
  const auto addresses = ip->version == 4 ? whole.subspan(12, 8) : whole.subspan(8, 32);
  const uint64_t sum =
      pseudoHeaderSum(addresses, ip->protocol, static_cast<uint32_t>(l4.size()));
  CHECK(checksumFold(checksumAdd(l4, sum)) == 0xffff);
  if (ip->version == 4) CHECK(checksumFold(checksumAdd(whole.first(20))) == 0xffff);
}

void coalesce(Packets& packets, Sink& sink) {
  Coalescer coalescer(sink);
  coalescer.setFeatures({true, true, true, true});
  for (auto& packet : packets) {
    const auto ip = parseIp(packet);
    CHECK(ip);
    coalescer.add({packet.data(), ip->totalBytes}, *ip);
  }
  coalescer.flush();
}

TEST(roundTrip, "a super-packet comes out of segment, seal, open and coalesce as it went in") {
  Random random(11);
  std::vector<std::unique_ptr<CipherBackend>> backends;
  backends.push_back(cipher::makeEvp());
  std::string reason;
  if (auto fast = cipher::makeIpsecMb(reason)) backends.push_back(std::move(fast));
  for (int round = 0; round < 400; round++) {
    CipherBackend& cipher = *backends[random.below(static_cast<uint32_t>(backends.size()))];
    const Suite suite = random.chance(50) ? Suite::chacha20Poly1305 : Suite::aes256Gcm;
    alignas(64) uint8_t state[4096];
    CHECK(cipher.stateBytes(suite) <= sizeof state);
    const auto key = random.bytes(32);
    cipher.expand(suite, std::span<const uint8_t, 32>(key), state);

    const test::SuperPacket super = test::makePacket(test::randomShape(random), random);
    Packets packets = segment(super, random.chance(50) ? 1420 : 65535);
    for (size_t i = 0; i < packets.size(); i++) {
      checkWhole(packets[i]);
      std::vector<uint8_t> sealed(packets[i].size() + kTagBytes);
      SealJob seal{packets[i].data(), static_cast<uint32_t>(packets[i].size()), sealed.data(), i};
      cipher.seal(suite, state, {&seal, 1});
      OpenJob open{sealed.data(), static_cast<uint32_t>(sealed.size()), i, false};
      cipher.open(suite, state, {&open, 1});
      CHECK(open.opened);
      sealed.resize(packets[i].size());
      CHECK(sealed == packets[i]);
      packets[i] = sealed;
    }
    Sink sink;
    coalesce(packets, sink);
    CHECK(sink.written.size() == 1);
    const Written& out = sink.written[0];
    CHECK(out.bytes == super.bytes);
    CHECK(out.packets == packets.size());
    if (super.vnet.gsoType != kGsoNone) {
      CHECK(std::memcmp(&out.vnet, &super.vnet, sizeof out.vnet) == 0);
    } else {
      CHECK(out.vnet.gsoType == kGsoNone && out.vnet.flags == kVnetChecksumValid);
    }
    cipher.forget(state);
  }
}

TEST(streams, "flows that come mixed, lose and repeat packets keep their order and every byte") {
  Random random(12);
  for (int round = 0; round < 100; round++) {
    Packets sent;
    std::vector<Packets> flows(1 + random.below(12));
    for (size_t flow = 0; flow < flows.size(); flow++) {
      auto shape = test::randomShape(random);
      shape.sourcePort = static_cast<uint16_t>(2000 + flow);
      flows[flow] = segment(test::makePacket(shape, random), 1420);
      for (auto& packet : flows[flow]) {
        const auto ip = parseIp(packet);
        packet.resize(ip->totalBytes);
      }
      if (random.chance(30)) std::swap(flows[flow].front(), flows[flow].back());
      if (random.chance(30)) flows[flow].push_back(flows[flow].front());
    }
    std::vector<size_t> next(flows.size());
    std::vector<Packets> byFlow(flows.size());
    for (;;) {
      std::vector<size_t> open;
      for (size_t i = 0; i < flows.size(); i++) {
        if (next[i] < flows[i].size()) open.push_back(i);
      }
      if (open.empty()) break;
      const size_t flow = open[random.below(static_cast<uint32_t>(open.size()))];
      for (uint32_t burst = 1 + random.below(6); burst > 0 && next[flow] < flows[flow].size(); burst--) {
        sent.push_back(flows[flow][next[flow]++]);
        byFlow[flow].push_back(sent.back());
      }
    }
    Sink sink;
    coalesce(sent, sink);
    std::vector<Packets> received(flows.size());
    for (const Written& one : sink.written) {
      for (auto& packet : segment({one.vnet, one.bytes}, 65535)) {
        const auto ip = parseIp(packet);
        packet.resize(ip->totalBytes);
        const uint32_t flow = loadBe16(&packet[ip->headerBytes]) - 2000u;
        CHECK(flow < flows.size());
        received[flow].push_back(std::move(packet));
      }
    }
    CHECK(received == byFlow);
  }
}

TEST(odd, "what must not be joined is passed on untouched") {
  Random random(13);
  auto pair = [&](auto change) {
    test::Shape shape{.gsoBytes = 1000, .payloadBytes = 2000};
    Packets packets = segment(test::makePacket(shape, random), 1420);
    for (auto& packet : packets) packet.resize(parseIp(packet)->totalBytes);
    change(packets[1]);
    const Packets before = packets;
    Sink sink;
    coalesce(packets, sink);
    CHECK(sink.written.size() == 2);
    for (size_t i = 0; i < 2; i++) CHECK(sink.written[i].bytes == before[i]);
  };
  auto fix = [](std::vector<uint8_t>& packet) {
    storeIpv4Checksum({packet.data(), 20});
    storeRaw<uint16_t>(&packet[36], 0);
    const std::span<const uint8_t> whole(packet);
    uint64_t sum = pseudoHeaderSum(whole.subspan(12, 8), 6, static_cast<uint32_t>(packet.size() - 20));
    storeRaw(&packet[36], static_cast<uint16_t>(~checksumFold(checksumAdd(whole.subspan(20), sum))));
  };
  pair([&](auto& packet) { packet[1] ^= 2, fix(packet); });        // ECN
  pair([&](auto& packet) { packet[8]--, fix(packet); });           // TTL
  pair([&](auto& packet) { packet[28] ^= 1, fix(packet); });       // ack
  pair([&](auto& packet) { packet[34] ^= 1, fix(packet); });       // window
  pair([&](auto& packet) { packet[45] ^= 1, fix(packet); });       // options
  pair([&](auto& packet) { packet[27] ^= 1, fix(packet); });       // sequence
  pair([&](auto& packet) { packet[33] |= 1, fix(packet); });       // FIN
  pair([&](auto& packet) { packet[33] |= 0x80, fix(packet); });    // CWR
  pair([&](auto& packet) { packet[6] |= 0x20, fix(packet); });     // more fragments
  pair([&](auto& packet) { packet[5] ^= 4, packet[6] &= 0xbf, fix(packet); });  // id and DF
  pair([&](auto& packet) { packet[60] ^= 1; });                    // payload: checksum wrong
}

TEST(refused, "the segmenter refuses virtio-net headers that lie") {
  Random random(14);
  int refused = 0;
  Segmenter segmenter;
  for (int i = 0; i < 3000; i++) {
    auto super = test::makePacket(test::randomShape(random), random);
    auto* raw = reinterpret_cast<uint8_t*>(&super.vnet);
    for (uint32_t changes = 1 + random.below(3); changes > 0; changes--) {
      raw[random.below(sizeof super.vnet)] = static_cast<uint8_t>(random.next());
      super.bytes[random.below(static_cast<uint32_t>(std::min<size_t>(60, super.bytes.size())))] =
          static_cast<uint8_t>(random.next());
    }
    const size_t bytes = super.bytes.size();
    super.bytes.resize(bytes + kPaddingMultiple);
    if (!segmenter.begin(super.vnet, {super.bytes.data(), bytes}, 1420)) {
      refused++;
      continue;
    }
    for (uint32_t pass = 0; pass < 2; pass++) {
      for (uint32_t at = pass; at < segmenter.count(); at += 2) segmenter.place(at);
      segmenter.restore();
    }
  }
  CHECK(refused > 150);
}

}  // namespace
