#include "sys/probePackets.h"

#include <string.h>

#include "packet/bytes.h"
#include "packet/checksum.h"

namespace beam::kernel {
namespace {

using namespace packet;

constexpr uint32_t kTcpBytes = 20;
constexpr uint32_t kUdpBytes = 8;
constexpr uint16_t kTcpChecksum = 16;
constexpr uint16_t kUdpChecksum = 6;
constexpr uint8_t kHopLimit = 64;

constexpr uint32_t ipBytes(uint8_t version) { return version == 4 ? 20 : 40; }

void writeAddress(uint8_t* to, uint8_t version, uint8_t host) {
  if (version == 4) {
    memcpy(to, kProbeNet4.data(), 4);
    to[3] = host;
  } else {
    memcpy(to, kProbeNet6.data(), 16);
    to[15] = host;
  }
}

/** The IP header and a zeroed layer-4 header, then the payload. */
std::vector<uint8_t> makePacket(uint8_t version, uint8_t protocol, uint32_t l4Bytes,
                                uint32_t payloadBytes) {
  const uint32_t start = ipBytes(version);
  std::vector<uint8_t> bytes(start + l4Bytes + payloadBytes, 7);
  uint8_t* ip = bytes.data();
  memset(ip, 0, start + l4Bytes);
  const auto rest = static_cast<uint16_t>(l4Bytes + payloadBytes);
  if (version == 4) {
    ip[0] = 0x45;
    storeBe16(ip + 2, static_cast<uint16_t>(start + rest));
    ip[8] = kHopLimit;
    ip[9] = protocol;
    writeAddress(ip + 12, 4, kTheirHost);
    writeAddress(ip + 16, 4, kOurHost);
    storeIpv4Checksum({ip, start});
  } else {
    ip[0] = 0x60;
    storeBe16(ip + 4, rest);
    ip[6] = protocol;
    ip[7] = kHopLimit;
    writeAddress(ip + 8, 6, kTheirHost);
    writeAddress(ip + 24, 6, kOurHost);
  }
  return bytes;
}

/** Leaves the checksum to the system: the pseudo-header's sum is all that stands there. */
ProbePacket finish(std::vector<uint8_t> bytes, uint8_t version, uint8_t protocol,
                   uint32_t l4Bytes, uint8_t gsoType) {
  const uint32_t start = ipBytes(version);
  const uint16_t offset = protocol == kProtocolTcp ? kTcpChecksum : kUdpChecksum;
  const std::span<const uint8_t> addresses =
      version == 4 ? std::span<const uint8_t>(&bytes[12], 8) : std::span<const uint8_t>(&bytes[8], 32);
  const auto rest = static_cast<uint32_t>(bytes.size()) - start;
  storeRaw(&bytes[start + offset], checksumFold(pseudoHeaderSum(addresses, protocol, rest)));
  const VnetHeader vnet{kVnetNeedsChecksum,
                        gsoType,
                        static_cast<uint16_t>(start + l4Bytes),
                        gsoType == kGsoNone ? uint16_t{0} : kProbeSegmentBytes,
                        static_cast<uint16_t>(start),
                        offset};
  return {vnet, std::move(bytes)};
}

}  // namespace

ProbePacket joinedTcp(uint8_t version) {
  std::vector<uint8_t> bytes = makePacket(version, kProtocolTcp, kTcpBytes, kProbePayloadBytes);
  uint8_t* tcp = &bytes[ipBytes(version)];
  storeBe16(tcp, kProbePort);
  storeBe16(tcp + 2, kProbePort);
  storeBe32(tcp + 4, 1);
  tcp[12] = (kTcpBytes / 4) << 4;
  tcp[13] = kTcpPsh;
  return finish(std::move(bytes), version, kProtocolTcp, kTcpBytes,
                version == 4 ? kGsoTcp4 : kGsoTcp6);
}

ProbePacket joinedUdp(uint8_t version) {
  std::vector<uint8_t> bytes = makePacket(version, kProtocolUdp, kUdpBytes, kProbePayloadBytes);
  uint8_t* udp = &bytes[ipBytes(version)];
  storeBe16(udp, kProbePort);
  storeBe16(udp + 2, kProbePort);
  storeBe16(udp + 4, kUdpBytes + kProbePayloadBytes);
  return finish(std::move(bytes), version, kProtocolUdp, kUdpBytes, kGsoUdpL4);
}

ProbePacket acceptTcp(const SeenPacket& syn) {
  // With one option, the segment size.
  constexpr uint32_t kBytes = kTcpBytes + 4;
  std::vector<uint8_t> bytes = makePacket(syn.version, kProtocolTcp, kBytes, 0);
  uint8_t* tcp = &bytes[ipBytes(syn.version)];
  storeBe16(tcp, kProbePort);
  storeBe16(tcp + 2, syn.sourcePort);
  storeBe32(tcp + 4, 1);
  storeBe32(tcp + 8, syn.sequence + 1);
  tcp[12] = (kBytes / 4) << 4;
  tcp[13] = kTcpSyn | kTcpAck;
  storeBe16(tcp + 14, UINT16_MAX);
  tcp[20] = 2;
  tcp[21] = 4;
  storeBe16(tcp + 22, kProbeSegmentBytes);
  return finish(std::move(bytes), syn.version, kProtocolTcp, kBytes, kGsoNone);
}

std::optional<SeenPacket> seePacket(const VnetHeader& vnet, std::span<const uint8_t> bytes) {
  const auto ip = parseIp(bytes);
  if (!ip) return std::nullopt;
  const uint32_t start = ipBytes(ip->version);
  const bool tcp = ip->protocol == kProtocolTcp;
  if (ip->headerBytes != start || (!tcp && ip->protocol != kProtocolUdp) ||
      ip->totalBytes < start + (tcp ? kTcpBytes : kUdpBytes)) {
    return std::nullopt;
  }
  const uint8_t* l4 = &bytes[start];
  SeenPacket seen{vnet, ip->version, ip->protocol, 0, loadBe16(l4), 0, 0, 0};
  const uint32_t headerBytes = tcp ? (l4[12] >> 4) * 4u : kUdpBytes;
  if (ip->totalBytes < start + headerBytes) return std::nullopt;
  seen.payloadBytes = ip->totalBytes - start - headerBytes;
  if (tcp) {
    seen.flags = l4[13];
    seen.sequence = loadBe32(l4 + 4);
    seen.acknowledged = loadBe32(l4 + 8);
  }
  return seen;
}

}  // namespace beam::kernel
