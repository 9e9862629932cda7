// Datagrams on their way out: sealed into one arena, joined into runs for UDP_SEGMENT, sent in
// batches. What the socket doesn't take now stays and holds the TUN back.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "../../sys/route.h"
#include "core/counters.h"
#include "core/peers.h"
#include "sys/tun.h"
#include "sys/udp.h"

namespace beam::core {

struct UdpOffloads {
  bool segment = true;
  bool gro = true;
};

class SendQueue {
 public:
  /**
   * Chosen, measured: what is sealed goes out at 384 KiB, some six full super-packets, and is still in
   * a core's second cache when the kernel copies it. Twice as much takes 8 % more of the CPU, half as
   * much wakes the other end too often.
   */
  static constexpr size_t kArenaBytes = 576 << 10;
  static constexpr size_t kRuns = 4096;

  SendQueue(Peers& peers, Counters& counters, Outbox& outbox);

  void setSockets(kernel::UdpPair sockets) {
    sockets_ = std::move(sockets);
    if (!allowed_[0].gro) sockets_.v4.stopGro();
    if (!allowed_[1].gro) sockets_.v6.stopGro();
    const int port = (sockets_.v4.fd ? sockets_.v4 : sockets_.v6).port();
    port_ = port > 0 ? static_cast<uint16_t>(port) : uint16_t{0};
  }
  void setMark(uint32_t mark) { mark_ = mark; }
  const kernel::UdpPair& sockets() const { return sockets_; }
  /** What a family's sockets may use, these and later ones. */
  void allow(uint8_t family, UdpOffloads offloads) { allowed_[family == 4 ? 0 : 1] = offloads; }
  /** UDP_SEGMENT is in use. */
  bool segmenting(uint8_t family) const {
    return allowed_[family == 4 ? 0 : 1].segment && sockets_.of(family).segment;
  }
  /** UDP_GRO failed there: never again. */
  void stopGro(uint8_t family) {
    allowed_[family == 4 ? 0 : 1].gro = false;
    (family == 4 ? sockets_.v4 : sockets_.v6).stopGro();
  }

  /** Room for that many bytes in that many datagrams; null if there isn't. */
  uint8_t* reserve(size_t bytes, size_t datagrams);
  /** Appends a datagram that was written at the front of what `reserve` gave. */
  void append(Peer& peer, uint8_t trafficClass, std::span<const uint8_t> datagram,
              uint64_t nowNs);
  /** The same, to a path that need not be a peer's. */
  void appendTo(const packet::PathRecord& path, PeerRef peer, uint8_t trafficClass,
                std::span<const uint8_t> datagram, bool joinable);
  void flush(uint64_t nowNs);
  void setFaults(const kernel::Faults& faults) { faults_ = faults; }

  /** The socket of that family has no room: wait until it is writable. */
  bool blocked(uint8_t family) const { return blocked_[family == 4 ? 0 : 1]; }
  void unblock(uint8_t family) { blocked_[family == 4 ? 0 : 1] = false; }
  bool empty() const { return head_ == runs_.size(); }

 private:
  struct Run {
    packet::PathRecord path;
    PeerRef peer;
    const uint8_t* start;
    uint32_t bytes;
    uint32_t segmentBytes;
    uint32_t segments;
    uint8_t trafficClass;
    /** No more may join: the last segment was a shorter one, or joining isn't wanted. */
    bool closed;
    /** Send the segments one by one. */
    bool split;
    bool transport;
  };

  void checkRoute(Peer& peer, uint64_t nowNs);
  bool joins(const Run& run, const packet::PathRecord& path, PeerRef peer, uint8_t trafficClass,
             std::span<const uint8_t> datagram) const;
  uint32_t gather(uint8_t family);
  /** What a test wants the head run to fail with; 0 for nothing. */
  int fault();
  void sent(uint32_t messages);
  /** True if the run is to be tried again. */
  bool failed(Run& run, int error, uint64_t nowNs);
  void dropRun(Run& run, int error);

  Peers& peers_;
  Counters& counters_;
  Outbox& outbox_;
  kernel::UdpPair sockets_;
  kernel::SendBatch batch_;
  std::vector<kernel::OutgoingMessage> outgoing_;
  std::vector<uint8_t> arena_;
  size_t used_ = 0;
  std::vector<Run> runs_;
  size_t head_ = 0;
  sys::NetlinkClient netlink_;
  uint16_t port_ = 0;
  uint32_t mark_ = 0;
  uint64_t nowNs_ = 0;
  kernel::Faults faults_;
  UdpOffloads allowed_[2];
  bool blocked_[2] = {false, false};
};

}  // namespace beam::core
