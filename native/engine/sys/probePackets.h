// Packets that the probe of the offloads sends as the far side of its TUN.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/ip.h"
#include "packet/wire.h"

namespace beam::kernel {

/** Documentation addresses (RFC 5737, RFC 3849): ours ends in 1, the far side's in 2. */
inline constexpr std::array<uint8_t, 4> kProbeNet4 = {192, 0, 2, 0};
inline constexpr std::array<uint8_t, 16> kProbeNet6 = {0x20, 0x01, 0x0d, 0xb8};
inline constexpr uint8_t kOurHost = 1;
inline constexpr uint8_t kTheirHost = 2;
inline constexpr uint16_t kProbePort = 4000;
inline constexpr uint16_t kProbeSegmentBytes = 1000;
inline constexpr uint32_t kProbePayloadBytes = 2500;

inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpPsh = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;

/** A packet and its virtio-net header, from the far side to ours, checksum left to the system. */
struct ProbePacket {
  packet::VnetHeader vnet;
  std::vector<uint8_t> bytes;
};

/** Three segments that belong together. */
ProbePacket joinedTcp(uint8_t version);
ProbePacket joinedUdp(uint8_t version);

/** What matters of a packet that the system sent to the far side. */
struct SeenPacket {
  packet::VnetHeader vnet;
  uint8_t version;
  uint8_t protocol;
  uint32_t payloadBytes;
  // Of TCP.
  uint16_t sourcePort;
  uint8_t flags;
  uint32_t sequence;
  uint32_t acknowledged;
};

/** Null for anything but TCP and UDP without IP options. */
std::optional<SeenPacket> seePacket(const packet::VnetHeader& vnet,
                                    std::span<const uint8_t> bytes);

/** The far side takes the connection, in segments of kProbeSegmentBytes. */
ProbePacket acceptTcp(const SeenPacket& syn);

}  // namespace beam::kernel
