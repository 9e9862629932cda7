// libFuzzer: super-packets, segmented, sealed, opened, coalesced and segmented again, give the same
// packets, in the same order within a flow. The input has a record for each: its shape, then bits that
// are bent in its segments; bent ones only have to come back, as they may be no flow any more.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "cipher/backends.h"
#include "packet/checksum.h"
#include "packet/coalescer.h"
#include "packet/ip.h"
#include "packet/segmenter.h"
#include "test/packets.h"

namespace beam::test {
uint64_t seed = 0;
}

using namespace beam;
using namespace beam::packet;

namespace {

using Packet = std::vector<uint8_t>;
using Packets = std::vector<Packet>;

void require(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  uint8_t u8() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_[0];
    rest_ = rest_.subspan(1);
    return byte;
  }
  uint16_t u16() {
    const uint8_t low = u8();
    return static_cast<uint16_t>(low | u8() << 8);
  }

 private:
  std::span<const uint8_t> rest_;
};

/** False if the segmenter refuses it. */
bool segment(const VnetHeader& vnet, Packet bytes, uint32_t mtu, Packets& into) {
  const size_t size = bytes.size();
  bytes.resize(size + kPaddingMultiple, 0xee);
  Segmenter segmenter;
  if (!segmenter.begin(vnet, {bytes.data(), size}, mtu)) return false;
  const size_t first = into.size();
  into.resize(first + segmenter.count());
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = pass; i < segmenter.count(); i += 2) {
      const auto placed = segmenter.place(i);
      require(placed.size() == segmenter.sealedPlainBytes(i));
      into[first + i].assign(placed.begin(), placed.end());
    }
    segmenter.restore();
  }
  return true;
}

class Tunnel {
 public:
  Tunnel() : cipher_(cipher::makeEvp()) {
    const std::array<uint8_t, 32> key{7};
    for (size_t i = 0; i < kSuites; i++) cipher_->expand(static_cast<Suite>(i), key, states_[i]);
  }

  void carry(Suite suite, Packet& packet) {
    const uint8_t* state = states_[static_cast<size_t>(suite)];
    Packet sealed(packet.size() + kTagBytes);
    SealJob seal{packet.data(), static_cast<uint32_t>(packet.size()), sealed.data(), counter_};
    cipher_->seal(suite, state, {&seal, 1});
    OpenJob open{sealed.data(), static_cast<uint32_t>(sealed.size()), counter_++, false};
    cipher_->open(suite, state, {&open, 1});
    require(open.opened);
    sealed.resize(packet.size());
    require(sealed == packet);
  }

 private:
  std::unique_ptr<CipherBackend> cipher_;
  alignas(64) uint8_t states_[kSuites][64];
  uint64_t counter_ = 0;
};

class Sink final : public CoalescerSink {
 public:
  void write(std::span<const iovec> parts, uint32_t packets) override {
    VnetHeader vnet;
    std::memcpy(&vnet, parts[0].iov_base, sizeof vnet);
    Packet whole;
    for (const iovec& part : parts.subspan(1)) {
      const auto* bytes = static_cast<const uint8_t*>(part.iov_base);
      whole.insert(whole.end(), bytes, bytes + part.iov_len);
    }
    const size_t before = written.size();
    require(segment(vnet, std::move(whole), kMaxIpBytes, written));
    require(written.size() - before == packets);
  }
  Packets written;
};

/** Cuts the padding; an IPv4 id that means nothing (RFC 6864) may come out another. */
void cut(Packets& packets) {
  for (Packet& packet : packets) {
    packet.resize(parseIp(packet)->totalBytes);
    if (packet[0] >> 4 == 4 && (packet[6] & 0x40) != 0) {
      packet[4] = packet[5] = packet[10] = packet[11] = 0;
    }
  }
}

/** Addresses, protocol and ports. */
Packet flowOf(const Packet& packet) {
  const bool four = packet[0] >> 4 == 4;
  Packet flow(packet.begin() + (four ? 12 : 8), packet.begin() + (four ? 24 : 44));
  flow.push_back(four ? packet[9] : packet[6]);
  return flow;
}

std::map<Packet, Packets> byFlow(const Packets& packets) {
  std::map<Packet, Packets> flows;
  for (const Packet& packet : packets) flows[flowOf(packet)].push_back(packet);
  return flows;
}

/** Some bits of the headers; checksums are made right again, or nothing would be joined anyway. */
void bend(Packet& packet, Input& input) {
  const size_t at = input.u8() % 80;
  const uint8_t bits = input.u8();
  if (at >= packet.size()) return;
  packet[at] ^= bits;
  const auto ip = parseIp(packet);
  if (!ip || ip->headerBytes < 20 || ip->headerBytes + 20u > ip->totalBytes) return;
  const auto whole = std::span(packet).first(ip->totalBytes);
  if (ip->version == 4) storeIpv4Checksum(whole.first(ip->headerBytes));
  const auto l4 = whole.subspan(ip->headerBytes);
  const size_t field = ip->protocol == kProtocolTcp ? 16 : 6;
  storeRaw<uint16_t>(&l4[field], 0);
  const auto addresses = ip->version == 4 ? whole.subspan(12, 8) : whole.subspan(8, 32);
  const uint64_t sum = pseudoHeaderSum(addresses, ip->protocol, static_cast<uint32_t>(l4.size()));
  storeRaw(&l4[field], static_cast<uint16_t>(~checksumFold(checksumAdd(l4, sum))));
}

test::SuperPacket shaped(Input& input, test::Random& random, uint32_t mtu) {
  test::Shape shape;
  const uint8_t bits = input.u8();
  shape.version = bits & 1 ? 4 : 6;
  shape.tcp = (bits & 2) != 0;
  shape.dontFragment = (bits & 4) != 0;
  shape.tcpOptionBytes = (bits & 8) != 0 ? 12 : 0;
  shape.sourcePort = bits & 16 ? 40000 : 40001;
  const uint32_t headers = (shape.version == 4 ? 20 : 40) + (shape.tcp ? 20 + shape.tcpOptionBytes : 8);
  shape.gsoBytes = static_cast<uint16_t>(1 + input.u16() % (mtu - headers));
  shape.payloadBytes = std::min<uint32_t>(input.u16() % 64'000, shape.gsoBytes * 100u);
  shape.trafficClass = input.u8();
  shape.tcpFlags = static_cast<uint8_t>(0x10 | (input.u8() & 0xc9));
  shape.sequence = uint32_t{input.u16()} << 16;
  shape.id = input.u16();
  return test::makePacket(shape, random);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tunnel tunnel;
  Input input({data, size});
  test::Random random(input.u8());
  const uint32_t mtu = 576 + input.u8() * 16;
  const auto suite = static_cast<Suite>(input.u8() % kSuites);
  Packets sent;
  bool bent = false;
  for (int i = 0; i < 4 && !input.empty(); i++) {
    test::SuperPacket super = shaped(input, random, mtu);
    const size_t first = sent.size();
    require(segment(super.vnet, std::move(super.bytes), mtu, sent));
    for (uint8_t count = input.u8() % 4; count > 0; count--) {
      bend(sent[first + input.u8() % (sent.size() - first)], input);
      bent = true;
    }
  }
  std::erase_if(sent, [](const Packet& packet) { return !parseIp(packet); });
  Packets received = sent;
  for (Packet& packet : received) tunnel.carry(suite, packet);
  Sink sink;
  Coalescer coalescer(sink);
  coalescer.setFeatures({true, true, true, true});
  for (Packet& packet : received) {
    const auto ip = parseIp(packet);
    coalescer.add({packet.data(), ip->totalBytes}, *ip);
  }
  coalescer.flush();
  cut(sent);
  cut(sink.written);
  if (!bent) {
    require(byFlow(sent) == byFlow(sink.written));
  } else {
    std::sort(sent.begin(), sent.end());
    std::sort(sink.written.begin(), sink.written.end());
    require(sent == sink.written);
  }
  return 0;
}
