#include "packet/segmenter.h"

#include <cstring>

#include "packet/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace beam::packet {
namespace {

constexpr uint32_t kTcpMinBytes = 20;
constexpr uint32_t kUdpBytes = 8;
constexpr uint32_t kTcpSequence = 4;
constexpr uint32_t kTcpDataOffset = 12;
constexpr uint32_t kTcpFlags = 13;
constexpr uint32_t kTcpChecksum = 16;
constexpr uint32_t kUdpLength = 4;
constexpr uint32_t kUdpChecksum = 6;
constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kCwr = 0x80;

constexpr uint32_t kCopySlotBytes =
    Segmenter::kMaxHeaderBytes + Segmenter::kMinInPlaceBytes + 2 * kPaddingMultiple;
// Most saves in one packet: every even segment but the first saves a tail, and every even one but
// the last the start of its successor.
constexpr uint32_t kMaxSaves = kMaxDatagramBytes / Segmenter::kMinInPlaceBytes + 2;

std::span<const uint8_t> addressesOf(const uint8_t* header, uint8_t version) {
  return version == 4 ? std::span{header + 12, 8} : std::span{header + 8, 32};
}

}  // namespace

Segmenter::Segmenter() : copies_(kCopySlots * kCopySlotBytes), saved_(kMaxSaves) {}

bool Segmenter::begin(const VnetHeader& vnet, std::span<uint8_t> packet, uint32_t mtu) {
  packet_ = packet;
  count_ = 0;
  savedCount_ = 0;
  nextSlot_ = 0;
  const bool ok = vnet.gsoType == kGsoNone ? beginSingle(vnet) : beginGso(vnet);
  if (!ok) return false;
  const uint32_t payload = static_cast<uint32_t>(packet.size()) - headerBytes_;
  const uint32_t lastPayload = payload - (count_ - 1) * gsoBytes_;
  paddedBytes_ = packet::paddedBytes(headerBytes_ + gsoBytes_, mtu);
  lastPaddedBytes_ = packet::paddedBytes(headerBytes_ + lastPayload, mtu);
  return true;
}

bool Segmenter::beginSingle(const VnetHeader& vnet) {
  headerBytes_ = 0;
  gsoBytes_ = 0;
  count_ = 1;
  if ((vnet.flags & kVnetNeedsChecksum) == 0) return true;
  // The field holds the pseudo-header's sum already (CHECKSUM_PARTIAL).
  const uint32_t start = vnet.checksumStart;
  const uint32_t field = start + vnet.checksumOffset;
  if (start >= packet_.size() || field + 2 > packet_.size()) return false;
  auto sum = static_cast<uint16_t>(~checksumFold(checksumAdd(packet_.subspan(start))));
  if (sum == 0 && vnet.checksumOffset == kUdpChecksum) sum = 0xffff;
  storeRaw(&packet_[field], sum);
  return true;
}

bool Segmenter::beginGso(const VnetHeader& vnet) {
  // The TUN writes a total length of the whole, so parseIp's check holds here too.
  const auto ip = parseIp(packet_);
  if (!ip) return false;
  const uint8_t kind = vnet.gsoType & ~kGsoEcn;
  const bool udp = kind == kGsoUdpL4;
  if (!udp && kind != kGsoTcp4 && kind != kGsoTcp6) return false;
  l4Start_ = vnet.checksumStart;
  const uint32_t l4MinBytes = udp ? kUdpBytes : kTcpMinBytes;
  if (ip->headerBytes < 20 || l4Start_ < ip->headerBytes || l4Start_ + l4MinBytes > packet_.size()) return false;
  const uint8_t* l4 = &packet_[l4Start_];
  const uint32_t l4Bytes = udp ? kUdpBytes : (l4[kTcpDataOffset] >> 4) * 4u;
  if (l4Bytes < l4MinBytes) return false;
  headerBytes_ = l4Start_ + l4Bytes;
  gsoBytes_ = vnet.gsoBytes;
  if (headerBytes_ > kMaxHeaderBytes || headerBytes_ >= packet_.size() || gsoBytes_ == 0) {
    return false;
  }
  version_ = ip->version;
  protocol_ = udp ? kProtocolUdp : kProtocolTcp;
  const uint32_t payload = static_cast<uint32_t>(packet_.size()) - headerBytes_;
  if (payload > kMaxIpBytes) return false;
  count_ = (payload + gsoBytes_ - 1) / gsoBytes_;
  if (count_ > kMaxSegments) return false;
  inPlace_ = gsoBytes_ >= kMinInPlaceBytes;
  std::memcpy(header_.data(), packet_.data(), headerBytes_);
  addressSum_ = checksumAdd(addressesOf(header_.data(), version_));
  return true;
}

std::span<const uint8_t> Segmenter::place(uint32_t i) {
  const uint32_t padded = sealedPlainBytes(i);
  if (gsoBytes_ == 0) {
    std::memset(packet_.data() + packet_.size(), 0, padded - packet_.size());
    return {packet_.data(), padded};
  }
  const uint32_t offset = headerBytes_ + i * gsoBytes_;
  const uint32_t payloadBytes =
      std::min(gsoBytes_, static_cast<uint32_t>(packet_.size()) - offset);
  const std::span<const uint8_t> payload = packet_.subspan(offset, payloadBytes);
  const uint32_t bytes = headerBytes_ + payloadBytes;
  uint8_t* start;
  if (inPlace_) {
    start = packet_.data() + i * gsoBytes_;
    const bool even = i % 2 == 0;
    if (even && i > 0) save(start, headerBytes_);
    if (even && i + 1 < count_ && padded > bytes) save(start + bytes, padded - bytes);
  } else {
    start = copies_.data() + nextSlot_ * kCopySlotBytes;
    nextSlot_ = (nextSlot_ + 1) % kCopySlots;
    std::memcpy(start + headerBytes_, payload.data(), payloadBytes);
  }
  writeHeaders(start, i, {start + headerBytes_, payloadBytes});
  std::memset(start + bytes, 0, padded - bytes);
  return {start, padded};
}

void Segmenter::save(uint8_t* at, uint32_t bytes) {
  Saved& saved = saved_[savedCount_++];
  saved.at = at;
  saved.bytes = bytes;
  std::memcpy(saved.content.data(), at, bytes);
}

void Segmenter::restore() {
  // Backwards: where two saves touch, the older one holds the payload.
  while (savedCount_ > 0) {
    const Saved& saved = saved_[--savedCount_];
    std::memcpy(saved.at, saved.content.data(), saved.bytes);
  }
}

void Segmenter::writeHeaders(uint8_t* header, uint32_t i,
                             std::span<const uint8_t> payload) const {
  std::memcpy(header, header_.data(), headerBytes_);
  const uint32_t bytes = headerBytes_ + static_cast<uint32_t>(payload.size());
  const uint32_t l4Bytes = bytes - l4Start_;
  if (version_ == 4) {
    storeBe16(header + 2, static_cast<uint16_t>(bytes));
    storeBe16(header + 4, static_cast<uint16_t>(loadBe16(header + 4) + i));
    storeIpv4Checksum({header, (header[0] & 0x0fu) * 4});
  } else {
    storeBe16(header + 4, static_cast<uint16_t>(bytes - 40));
  }
  const uint64_t sum =
      addressSum_ + __builtin_bswap32(protocol_) + __builtin_bswap32(l4Bytes);
  if (protocol_ == kProtocolTcp) {
    writeTcp(header + l4Start_, i, sum, payload);
  } else {
    writeUdp(header + l4Start_, sum, payload);
  }
}

void Segmenter::writeTcp(uint8_t* l4, uint32_t i, uint64_t sum,
                         std::span<const uint8_t> payload) const {
  storeBe32(l4 + kTcpSequence, loadBe32(l4 + kTcpSequence) + i * gsoBytes_);
  if (i + 1 < count_) l4[kTcpFlags] &= static_cast<uint8_t>(~(kFin | kPsh));
  if (i > 0) l4[kTcpFlags] &= static_cast<uint8_t>(~kCwr);
  storeRaw<uint16_t>(l4 + kTcpChecksum, 0);
  const uint32_t l4HeaderBytes = headerBytes_ - l4Start_;
  sum = checksumAdd({l4, l4HeaderBytes}, sum);
  sum = checksumAdd(payload, sum);
  storeRaw(l4 + kTcpChecksum, static_cast<uint16_t>(~checksumFold(sum)));
}

void Segmenter::writeUdp(uint8_t* l4, uint64_t sum, std::span<const uint8_t> payload) const {
  storeBe16(l4 + kUdpLength, static_cast<uint16_t>(kUdpBytes + payload.size()));
  storeRaw<uint16_t>(l4 + kUdpChecksum, 0);
  sum = checksumAdd({l4, kUdpBytes}, sum);
  sum = checksumAdd(payload, sum);
  const auto checksum = static_cast<uint16_t>(~checksumFold(sum));
  storeRaw<uint16_t>(l4 + kUdpChecksum, checksum == 0 ? 0xffff : checksum);
}

}  // namespace beam::packet
