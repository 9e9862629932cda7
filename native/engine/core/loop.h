// One thread of the engine: waits for its TUN queue, its sockets, the link and commands, and lets each
// have one batch in turn.
//
// A device has one loop, or one a queue. Loops share nothing but the sessions' send counters. The
// first one leads: it takes the control plane's commands and the others' news (a peer roamed, a
// session was confirmed), applies them in one order, and passes them on in that order; so all of them
// go through the same states.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../../sys/link.h"
#include "cipher/backends.h"
#include "core/counters.h"
#include "core/outbox.h"
#include "core/peers.h"
#include "core/receiver.h"
#include "core/sendQueue.h"
#include "core/transmitter.h"
#include "sys/tun.h"

namespace beam::core {

/** What may be used; off here stays off. */
struct OffloadSwitches {
  bool tunTcp = true;
  bool tunUdp = true;
  bool udpSegment = true;
  bool udpGro = true;
  /** Only where the TUN has that offload, too. */
  packet::CoalescerFeatures join{true, true, true, true};
  /** Per family, beside udpSegment and udpGro: IPv4, IPv6. */
  UdpOffloads udp[2];
};

class Loop final : private PeerChanges {
 public:
  using Command = std::function<void(Loop&)>;

  Loop(kernel::Tun tun, std::unique_ptr<packet::CipherBackend> cipher, OffloadSwitches switches,
       uint64_t seed, std::function<void()> wake, bool leads = true);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /** The device's loops, the leader first; before any runs. */
  void join(const std::vector<Loop*>& crew, uint32_t which);
  /** 0 or an errno: descriptors that the loop can't do without. */
  int prepare();
  /** The thread's main function; returns after `stop`. */
  void run();

  // On JavaScript's thread.
  void stop();
  enum class Reach { here, everywhere };
  /** In order; waits only when kMaxQueuedCommands are queued. `everywhere` is for the leader. */
  void post(Command command, Reach reach = Reach::here);
  /** Waits until the command has run. */
  void call(const Command& command);
  Outbox& outbox() { return outbox_; }

  // For commands, on the engine's thread.
  Peers& peers() { return peers_; }
  Transmitter& transmitter() { return transmitter_; }
  Receiver& receiver() { return receiver_; }
  SendQueue& queue() { return queue_; }
  const Counters& counters() const { return counters_; }
  const kernel::Tun& tun() const { return tun_; }
  const packet::CipherBackend& cipher() const { return *cipher_; }
  uint64_t nowNs() const { return nowNs_; }
  bool linkWatched() const { return link_.fd() >= 0; }
  bool leads() const { return crew_.empty() || crew_.front() == this; }
  void setSockets(kernel::UdpPair sockets);
  void tellLink(bool up, uint32_t mtu);
  void setFaults(const kernel::Faults& faults) {
    tun_.setFaults(faults);
    queue_.setFaults(faults);
    receiver_.setFaults(faults);
  }
  void countDrop(Drop reason) { counters_.drop(reason); }
  void countSendFailed(int error) {
    counters_.drop(Drop::sendFailed);
    counters_.sendErrors[static_cast<size_t>(error)]++;
  }

 private:
  enum Source : uint32_t { kTun, kUdp4, kUdp6, kCommands, kLink };

  struct Order {
    Command command;
    Reach reach;
  };

  void roamed(Peer& peer, const packet::PathRecord& path) override;
  void confirmed(Peer& peer, Session& session) override;
  void worn(Session& session) override;
  bool handOver(uint32_t share, std::span<const uint8_t> datagram,
                const kernel::ReceivedMessage& message) override;
  void confirm(Peer& peer);
  void passOn(const Command& command);
  /** From another loop: never waits. */
  void enqueue(Command command);
  void wake();
  void applyLink(bool up, uint32_t mtu);
  void handle(uint32_t source, uint32_t events);
  void pumpUdp(uint8_t family, uint32_t events);
  void pumpTun();
  void readOffloadFailed();
  void runCommands();
  void holdTun();
  void closeTun();
  void openLink();
  void readLink();
  void pollLink();
  int timeoutMs() const;
  bool watch(int fd, uint32_t source, uint32_t events);
  bool rewatch(int fd, uint32_t source, uint32_t events);

  kernel::Tun tun_;
  std::unique_ptr<packet::CipherBackend> cipher_;
  Outbox outbox_;
  Counters counters_;
  Peers peers_;
  SendQueue queue_;
  Transmitter transmitter_;
  Receiver receiver_;
  sys::UniqueFd epoll_;
  sys::UniqueFd wakeup_;
  sys::NetlinkClient netlink_;
  sys::LinkWatch link_;
  uint64_t linkPollAtNs_ = 0;
  bool tunOpen_ = true;
  // The families whose sockets were full at the end of the last batch: bit 0 IPv4, bit 1 IPv6.
  uint32_t held_ = 0;
  bool linkTold_ = false;
  bool linkUp_ = false;
  uint32_t linkMtu_ = 0;
  uint64_t nowNs_ = 0;

  std::mutex mutex_;
  std::condition_variable drained_;
  std::vector<Order> commands_;
  // Written by either thread, read by the loop between batches; the queue itself is under the mutex.
  std::atomic<bool> stopping_{false};
  // Datagrams that others left here and that wait. A bound, not a hand-over: relaxed is enough.
  std::atomic<uint32_t> handedOver_{0};
  /** Empty for a loop that is alone. */
  std::vector<Loop*> crew_;
};

}  // namespace beam::core
