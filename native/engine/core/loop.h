// The engine's thread: waits for the TUN, the sockets, the link and commands, and lets each have
// one batch in turn.
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
};

class Loop {
 public:
  using Command = std::function<void(Loop&)>;

  Loop(kernel::Tun tun, std::unique_ptr<packet::CipherBackend> cipher, OffloadSwitches switches,
       uint64_t seed, std::function<void()> wake);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /** 0 or an errno: descriptors that the loop can't do without. */
  int prepare();
  /** The thread's main function; returns after `stop`. */
  void run();

  // On JavaScript's thread.
  void stop();
  /** In order; waits only when kMaxQueuedCommands are queued. */
  void post(Command command);
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
  void setSockets(kernel::UdpPair sockets);
  void tellLink(bool up, uint32_t mtu);
  void setFaults(const kernel::Faults& faults) {
    tun_.setFaults(faults);
    queue_.setFaults(faults);
  }
  void countDrop(Drop reason) { counters_.drop(reason); }
  void countSendFailed(int error) {
    counters_.drop(Drop::sendFailed);
    counters_.sendErrors[static_cast<size_t>(error)]++;
  }

 private:
  enum Source : uint32_t { kTun, kUdp4, kUdp6, kCommands, kLink };

  void handle(uint32_t source, uint32_t events);
  void pumpUdp(uint8_t family, uint32_t events);
  void pumpTun();
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
  std::vector<Command> commands_;
  // Written by either thread, read by the loop between batches; the queue itself is under the mutex.
  std::atomic<bool> stopping_{false};
};

}  // namespace beam::core
