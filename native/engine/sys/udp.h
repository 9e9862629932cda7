// The tunnel's UDP sockets: batches in with UDP_GRO, batches out with UDP_SEGMENT, local addresses,
// TOS and marks.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/path.h"
#include "../../sys/fd.h"

namespace beam::kernel {

struct UdpSocket {
  sys::UniqueFd fd;
  bool gro = false;
  bool segment = false;

  /** Opens and binds one family; 0 or a negative errno. Port 0 lets the system choose. */
  static int open(uint8_t family, uint16_t port, uint32_t mark, bool reusePort, UdpSocket& out);
  /** The bound port, or a negative errno. */
  int port() const;
  /** 0 or a negative errno. */
  int setMark(uint32_t mark) const;
  /** What has arrived joined and waits loses its bounds: it is counted as forged. */
  void stopGro();
};

/** Both families on one port. IPv4 alone is enough where IPv6 is off, and the other way round. */
struct UdpPair {
  UdpSocket v4;
  UdpSocket v6;

  /** The port, or a negative errno. `reusePort` joins the sockets that share the port already. */
  static int open(uint16_t port, uint32_t mark, bool reusePort, UdpPair& out);
  const UdpSocket& of(uint8_t family) const { return family == 4 ? v4 : v6; }
};

/**
 * Opens the sockets of a device's queues, all on one port; the port, or a negative errno. A filter
 * sends each transport message to the queue that `packet::queueOfIndex` names, everything else to the
 * first. The first socket is bound alone, so a port that anybody else has is refused as ever.
 */
int openUdpPairs(uint16_t port, uint32_t mark, std::span<UdpPair> pairs);

struct ReceivedMessage {
  /** Segments of `segmentBytes`, the last one shorter; one datagram if that is 0. */
  std::span<uint8_t> bytes;
  uint32_t segmentBytes;
  packet::PathRecord path;
  uint8_t trafficClass;
};

class ReceiveBatch {
 public:
  static constexpr uint32_t kMessages = 8;
  ReceiveBatch();
  /** Fills `messages`; the number of them, or a negative errno. */
  int receive(const UdpSocket& socket, uint8_t family);
  std::span<const ReceivedMessage> messages() const { return {messages_.data(), count_}; }

 private:
  struct Control {
    alignas(cmsghdr) std::array<uint8_t, 128> bytes;
  };
  void decode(uint32_t i, uint8_t family);

  // A stride that is no power of two spreads the buffers over the cache's sets.
  static constexpr size_t kStride = 65'536 + 2112;
  std::vector<uint8_t> buffer_;
  std::array<mmsghdr, kMessages> headers_{};
  std::array<iovec, kMessages> vectors_{};
  std::array<sockaddr_in6, kMessages> names_{};
  std::array<Control, kMessages> controls_{};
  std::array<ReceivedMessage, kMessages> messages_{};
  uint32_t count_ = 0;
};

struct OutgoingMessage {
  const packet::PathRecord* path;
  std::span<const uint8_t> bytes;
  /** As ReceivedMessage. */
  uint32_t segmentBytes;
  uint8_t trafficClass;
};

class SendBatch {
 public:
  static constexpr uint32_t kMessages = 64;
  /** Messages that went out, from the first on; a negative errno if the first one failed. */
  int send(const UdpSocket& socket, uint8_t family, std::span<const OutgoingMessage> messages);

 private:
  struct Control {
    alignas(cmsghdr) std::array<uint8_t, 128> bytes;
  };
  void encode(uint32_t i, uint8_t family, const OutgoingMessage& message);

  std::array<mmsghdr, kMessages> headers_{};
  std::array<iovec, kMessages> vectors_{};
  std::array<sockaddr_in6, kMessages> names_{};
  std::array<Control, kMessages> controls_{};
};

}  // namespace beam::kernel
