// From the network to the TUN: classify, open, check for replay, roam, check the source, coalesce.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "core/counters.h"
#include "core/peers.h"
#include "core/sendQueue.h"
#include "packet/coalescer.h"
#include "packet/controlGate.h"
#include "sys/tun.h"
#include "sys/udp.h"

namespace beam::core {

/** What a packet changes for all loops of a device: the receiver says it, the loop has it done. */
class PeerChanges {
 public:
  /** An authenticated packet came by another path. */
  virtual void roamed(Peer& peer, const packet::PathRecord& path) = 0;
  /** The first packet under the peer's `next`. */
  virtual void confirmed(Peer& peer, Session& session) = 0;
  /** The session has met as many forgeries as it may; it may be gone afterwards. */
  virtual void worn(Session& session) = 0;
  /** A datagram for another loop's share; false if that has no room. */
  virtual bool handOver(uint32_t share, std::span<const uint8_t> datagram,
                        const kernel::ReceivedMessage& message) = 0;

 protected:
  ~PeerChanges() = default;
};

class Receiver final : private packet::CoalescerSink {
 public:
  Receiver(kernel::Tun& tun, Peers& peers, SendQueue& queue,
           packet::CipherBackend& cipher, Counters& counters, Outbox& outbox, PeerChanges& changes,
           uint64_t seed);

  packet::ControlGate& gate() { return gate_; }
  void setFeatures(packet::CoalescerFeatures features);
  const packet::CoalescerFeatures& features() const { return features_; }
  void setUp(bool up) { up_ = up; }
  /** This loop is the `which`th of `of`: the only one that opens what its share of the sessions got. */
  void setShare(uint32_t which, uint32_t of) {
    share_ = which;
    shares_ = of;
  }
  void setFaults(const kernel::Faults& faults) { faults_ = faults; }
  /** Receives one batch from the family's socket and passes it on; 0 or the errno. */
  int pump(uint8_t family, uint64_t nowNs);
  /** The same for one datagram that another loop received. */
  void takeOver(const kernel::ReceivedMessage& message, uint64_t nowNs);

 private:
  static constexpr uint32_t kOpenBatch = 64;
  struct Waiting {
    const kernel::ReceivedMessage* message;
    std::span<uint8_t> datagram;
  };

  void datagram(std::span<uint8_t> bytes, const kernel::ReceivedMessage& message);
  void control(std::span<const uint8_t> bytes, const kernel::ReceivedMessage& message);
  bool isElsewhere(uint32_t index, std::span<const uint8_t> bytes,
                   const kernel::ReceivedMessage& message);
  void openWaiting();
  void finish();
  void opened(Session& session, const Waiting& waiting);
  /** False if the peer may not send it. */
  bool deliver(Peer& peer, std::span<uint8_t> packet, uint8_t outerTrafficClass);
  void write(std::span<const iovec> parts, uint32_t packets) override;
  void groFailed(uint8_t family, int error);
  void offloadFailed(uint8_t gsoType, uint8_t version);

  kernel::Tun& tun_;
  Peers& peers_;
  SendQueue& queue_;
  packet::CipherBackend& cipher_;
  Counters& counters_;
  Outbox& outbox_;
  PeerChanges& changes_;
  kernel::ReceiveBatch batch_;
  packet::ControlGate gate_;
  packet::Coalescer coalescer_{*this};
  packet::CoalescerFeatures features_;
  std::array<packet::OpenJob, kOpenBatch> jobs_{};
  std::array<Waiting, kOpenBatch> waiting_{};
  uint32_t waitingCount_ = 0;
  Session* waitingSession_ = nullptr;
  uint64_t nowNs_ = 0;
  kernel::Faults faults_;
  bool up_ = false;
  uint32_t share_ = 0;
  uint32_t shares_ = 1;
};

}  // namespace beam::core
