#include "packet/ip.h"

#include "packet/bytes.h"
#include "packet/checksum.h"

namespace beam::packet {
namespace {

constexpr uint32_t kIpv4MinBytes = 20;
constexpr uint32_t kIpv6Bytes = 40;

std::optional<IpHeader> parseIpv4(std::span<const uint8_t> packet) {
  if (packet.size() < kIpv4MinBytes) return std::nullopt;
  const uint16_t headerBytes = (packet[0] & 0x0f) * 4;
  const uint32_t totalBytes = loadBe16(&packet[2]);
  // A header length that lies is the receiver's matter: routing doesn't need it.
  if (totalBytes < kIpv4MinBytes || totalBytes > packet.size()) return std::nullopt;
  return IpHeader{4, headerBytes, totalBytes, packet[9], packet[1]};
}

std::optional<IpHeader> parseIpv6(std::span<const uint8_t> packet) {
  if (packet.size() < kIpv6Bytes) return std::nullopt;
  const uint32_t totalBytes = kIpv6Bytes + loadBe16(&packet[4]);
  if (totalBytes > packet.size()) return std::nullopt;
  const auto trafficClass = static_cast<uint8_t>(loadBe16(&packet[0]) >> 4);
  return IpHeader{6, kIpv6Bytes, totalBytes, packet[6], trafficClass};
}

void setEcn(std::span<uint8_t> packet, const IpHeader& header, uint8_t ecn) {
  const auto trafficClass = static_cast<uint8_t>((header.trafficClass & ~3) | ecn);
  if (header.version == 4) {
    // RFC 1624, equation 3: a checksum that was wrong stays wrong.
    const uint16_t before = loadRaw<uint16_t>(packet.data());
    packet[1] = trafficClass;
    const uint16_t after = loadRaw<uint16_t>(packet.data());
    const uint64_t sum = uint64_t{static_cast<uint16_t>(~loadRaw<uint16_t>(&packet[10]))} +
                         static_cast<uint16_t>(~before) + after;
    storeRaw<uint16_t>(&packet[10], static_cast<uint16_t>(~checksumFold(sum)));
  } else {
    const uint16_t word = loadBe16(packet.data());
    storeBe16(packet.data(), static_cast<uint16_t>((word & 0xf00f) | (trafficClass << 4)));
  }
}

}  // namespace

std::optional<IpHeader> parseIp(std::span<const uint8_t> packet) {
  if (packet.empty()) return std::nullopt;
  const int version = packet[0] >> 4;
  if (version == 4) return parseIpv4(packet);
  if (version == 6) return parseIpv6(packet);
  return std::nullopt;
}

AddressBits addressBits(const uint8_t* bytes, uint8_t version) {
  if (version == 4) return {static_cast<uint64_t>(loadBe32(bytes)) << 32, 0};
  return {loadBe64(bytes), loadBe64(bytes + 8)};
}

AddressBits sourceOf(std::span<const uint8_t> packet, uint8_t version) {
  return addressBits(packet.data() + (version == 4 ? 12 : 8), version);
}

AddressBits destinationOf(std::span<const uint8_t> packet, uint8_t version) {
  return addressBits(packet.data() + (version == 4 ? 16 : 24), version);
}

void decapsulateEcn(std::span<uint8_t> packet, const IpHeader& header, uint8_t outerTrafficClass) {
  const uint8_t inner = header.trafficClass & 3;
  const uint8_t outer = outerTrafficClass & 3;
  if (inner == 0 || inner == 3) return;
  if (outer == 3) setEcn(packet, header, 3);
  if (outer == 1 && inner == 2) setEcn(packet, header, 1);
}

}  // namespace beam::packet
