// Inner IP headers: just what routing, ECN, segmenting and coalescing need. Nothing is trusted.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace beam::packet {

inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

/** A 128-bit address as two words in host order; IPv4 stands in the top 32 bits of `high`. */
struct AddressBits {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const AddressBits&) const = default;
};

struct IpHeader {
  uint8_t version;  // 4 or 6
  /** IPv4's own claim, 0 to 60, not held against the packet; 40 for IPv6. */
  uint16_t headerBytes;
  /** The packet's own length: the header's claim, never more than the buffer. */
  uint32_t totalBytes;
  uint8_t protocol;  // IPv4 protocol, IPv6 next header
  uint8_t trafficClass;
};

/** Parses; null if it isn't IPv4 or IPv6, or claims more bytes than there are. */
std::optional<IpHeader> parseIp(std::span<const uint8_t> packet);

/** Addresses of a packet that `parseIp` accepted. */
AddressBits sourceOf(std::span<const uint8_t> packet, uint8_t version);
AddressBits destinationOf(std::span<const uint8_t> packet, uint8_t version);

/** 4 or 16 bytes to bits. */
AddressBits addressBits(const uint8_t* bytes, uint8_t version);

// RFC 6040, as the kernel's ip_tunnel_ecn_encap and INET_ECN_decapsulate do it.

/** The outer traffic class: DSCP 0; the inner ECN, but CE becomes ECT(0). */
inline uint8_t outerEcn(uint8_t innerTrafficClass) {
  const uint8_t ecn = innerTrafficClass & 3;
  return ecn == 3 ? 2 : ecn;
}

/** Carries a congestion mark of the outer header into the packet; keeps its checksum right. */
void decapsulateEcn(std::span<uint8_t> packet, const IpHeader& header, uint8_t outerTrafficClass);

}  // namespace beam::packet
