// From the TUN to the network: read, route, segment, seal, queue.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/counters.h"
#include "core/peers.h"
#include "core/sendQueue.h"
#include "packet/segmenter.h"
#include "sys/tun.h"

namespace beam::core {

class Transmitter {
 public:
  Transmitter(kernel::Tun& tun, Peers& peers, SendQueue& queue, packet::CipherBackend& cipher,
              Counters& counters);

  void setMtu(uint32_t mtu) { mtu_ = mtu; }
  /** Reads until the TUN is empty, the batch is full or the socket is; the last errno, or 0. */
  int pump(uint64_t nowNs);
  /** Seals what waits for keys, if there are any now. True if something was sent. */
  bool sendStaged(Peer& peer, uint64_t nowNs);
  /** What is staged, or an empty packet; asks for keys where there are none. */
  void sendKeepalive(Peer& peer, uint64_t nowNs);

 private:
  static constexpr uint32_t kBatchReads = 64;
  static constexpr uint32_t kSealBatch = packet::Segmenter::kCopySlots;

  void packet(const packet::VnetHeader& vnet, std::span<uint8_t> packet, uint64_t nowNs);
  void sealSegments(Session& session, uint64_t first, uint8_t trafficClass, uint64_t nowNs);
  void stageSegments(Peer& peer);
  bool sealOne(Peer& peer, std::span<const uint8_t> padded, uint64_t nowNs);
  void writeHeader(uint8_t* datagram, const Session& session, uint64_t counter) const;
  void afterSend(Peer& peer, const Session& session, uint64_t nowNs);

  kernel::Tun& tun_;
  Peers& peers_;
  SendQueue& queue_;
  packet::CipherBackend& cipher_;
  Counters& counters_;
  packet::Segmenter segmenter_;
  std::vector<uint8_t> buffer_;
  std::vector<packet::SealJob> jobs_;
  uint32_t mtu_ = 1420;
};

}  // namespace beam::core
