// Layouts on both wires: WireGuard's messages (SPEC.md, "Messages") and the TUN's virtio-net header.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace beam::packet {

// WireGuard's four messages: the type is a little-endian u32 whose upper three bytes are zero.
inline constexpr uint32_t kMessageInitiation = 1;
inline constexpr uint32_t kMessageResponse = 2;
inline constexpr uint32_t kMessageCookieReply = 3;
inline constexpr uint32_t kMessageTransport = 4;
inline constexpr uint32_t kInitiationBytes = 148;
inline constexpr uint32_t kResponseBytes = 92;
inline constexpr uint32_t kCookieReplyBytes = 64;
inline constexpr uint32_t kMacBytes = 16;

// Transport: type 4, receiver index 4, counter 8, ciphertext, tag 16.
inline constexpr uint32_t kTransportHeaderBytes = 16;
inline constexpr uint32_t kTagBytes = 16;
inline constexpr uint32_t kTransportOverheadBytes = kTransportHeaderBytes + kTagBytes;
inline constexpr uint32_t kPaddingMultiple = 16;
inline constexpr uint32_t kKeyBytes = 32;

inline constexpr uint32_t kMaxDatagramBytes = 65535;
/** Largest UDP payload over IPv4. */
inline constexpr uint32_t kMaxUdpPayloadBytes = 65507;
/** Kernel limit for one UDP_SEGMENT send (UDP_MAX_SEGMENTS of every kernel that has it). */
inline constexpr uint32_t kMaxUdpSegments = 64;
inline constexpr uint32_t kMaxIpBytes = 65535;

/**
 * Which of a device's queues opens what comes for a receiver index: from its lowest byte, which comes
 * first on the wire and is all that the sockets' filter looks at (sys/udp.h).
 */
inline constexpr uint32_t queueOfIndex(uint32_t receiverIndex, uint32_t queues) {
  return (receiverIndex & 0xff) % queues;
}

struct TransportHeader {
  uint32_t type;
  uint32_t receiverIndex;
  uint64_t counter;
};
static_assert(sizeof(TransportHeader) == kTransportHeaderBytes);

// linux/virtio_net.h does not compile as C++ (a field named `class`).
struct VnetHeader {
  uint8_t flags;
  uint8_t gsoType;
  uint16_t headerBytes;
  uint16_t gsoBytes;
  uint16_t checksumStart;
  uint16_t checksumOffset;
};
static_assert(sizeof(VnetHeader) == 10);
inline constexpr uint32_t kVnetHeaderBytes = sizeof(VnetHeader);

inline constexpr uint8_t kVnetNeedsChecksum = 1;
inline constexpr uint8_t kVnetChecksumValid = 2;
inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdpL4 = 5;
inline constexpr uint8_t kGsoEcn = 0x80;

/** Bytes to seal for a packet: padded to 16, but a padded packet is never longer than the MTU. */
inline uint32_t paddedBytes(uint32_t packetBytes, uint32_t mtu) {
  const uint32_t rounded = (packetBytes + kPaddingMultiple - 1) & ~(kPaddingMultiple - 1);
  if (mtu == 0) return rounded;
  // A packet longer than the MTU (the MTU has just shrunk) is padded as if its last MTU's worth
  // stood alone, as the kernel does.
  const uint32_t lastUnit = packetBytes > mtu ? packetBytes % mtu : packetBytes;
  const uint32_t paddedUnit =
      std::min(mtu, (lastUnit + kPaddingMultiple - 1) & ~(kPaddingMultiple - 1));
  return packetBytes + (paddedUnit - lastUnit);
}

}  // namespace beam::packet
