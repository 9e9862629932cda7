// From the network to the TUN: classify, open, check for replay, roam, check the source, coalesce.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "core/counters.h"
#include "core/peers.h"
#include "core/sendQueue.h"
#include "core/transmitter.h"
#include "packet/coalescer.h"
#include "packet/controlGate.h"
#include "sys/tun.h"
#include "sys/udp.h"

namespace beam::core {

class Receiver final : private packet::CoalescerSink {
 public:
  Receiver(kernel::Tun& tun, Peers& peers, SendQueue& queue, Transmitter& transmitter,
           packet::CipherBackend& cipher, Counters& counters, Outbox& outbox, uint64_t seed);

  packet::ControlGate& gate() { return gate_; }
  void setFeatures(packet::CoalescerFeatures features);
  const packet::CoalescerFeatures& features() const { return features_; }
  void setUp(bool up) { up_ = up; }
  /** Receives one batch from the family's socket and passes it on; 0 or the errno. */
  int pump(uint8_t family, uint64_t nowNs);

 private:
  static constexpr uint32_t kOpenBatch = 64;
  struct Waiting {
    const kernel::ReceivedMessage* message;
    std::span<uint8_t> datagram;
  };

  void datagram(std::span<uint8_t> bytes, const kernel::ReceivedMessage& message);
  void control(std::span<const uint8_t> bytes, const kernel::ReceivedMessage& message);
  void openWaiting();
  void opened(Session& session, const Waiting& waiting);
  /** False if the peer may not send it. */
  bool deliver(Peer& peer, std::span<uint8_t> packet, uint8_t outerTrafficClass);
  void write(std::span<const iovec> parts, uint32_t packets) override;
  void offloadFailed(uint8_t gsoType);

  kernel::Tun& tun_;
  Peers& peers_;
  SendQueue& queue_;
  Transmitter& transmitter_;
  packet::CipherBackend& cipher_;
  Counters& counters_;
  Outbox& outbox_;
  kernel::ReceiveBatch batch_;
  packet::ControlGate gate_;
  packet::Coalescer coalescer_{*this};
  packet::CoalescerFeatures features_;
  std::array<packet::OpenJob, kOpenBatch> jobs_{};
  std::array<Waiting, kOpenBatch> waiting_{};
  uint32_t waitingCount_ = 0;
  Session* waitingSession_ = nullptr;
  uint64_t nowNs_ = 0;
  bool up_ = false;
};

}  // namespace beam::core
