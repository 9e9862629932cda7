// Events on their way to JavaScript. The engine's thread collects them in a list of its own and
// hands it over at the end of a batch, under a lock that is held for a swap: never per packet.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/limits.h"
#include "packet/path.h"
#include "packet/wire.h"

namespace beam::core {

enum class EventKind : uint8_t {
  controlReceived,
  activity,
  keysNeeded,
  keysConfirmed,
  keysDropped,
  roamed,
  linkChanged,
  tunClosed,
  /** For the log only. */
  notice,
};

/** A peer's slot, and which of its tenants: events of an earlier one are not delivered. */
struct PeerRef {
  uint32_t slot;
  uint32_t generation;
  bool operator==(const PeerRef&) const = default;
};

struct Event {
  EventKind kind;
  PeerRef peer{};
  uint32_t localIndex = 0;
  packet::PathRecord path{};
  /** dataSent, authenticatedSent, dataReceived, authenticatedReceived; 0 for none. */
  std::array<uint64_t, 4> timesNs{};
  bool up = false;
  uint32_t mtu = 0;
  uint32_t bytes = 0;
  std::array<uint8_t, packet::kInitiationBytes> datagram{};
  std::string text;
};

class Outbox {
 public:
  /** `wake` is called on the engine's thread, once until the next `take`. */
  Outbox(std::function<void()> wake, bool leads) : wake_(std::move(wake)), leads_(leads) {
    local_.reserve(64);
  }

  // On the loop's thread.
  /** What every loop of a device would say is said by the one that leads. */
  void add(Event event);
  void publish();
  /** Nothing is on its way: reports that can wait are let through only then. */
  bool idle() const { return !waiting_.load(std::memory_order_acquire); }
  uint32_t queuedControl() const { return queuedControl_.load(std::memory_order_relaxed); }

  // On JavaScript's thread.
  std::vector<Event> take();

 private:
  std::function<void()> wake_;
  const bool leads_;
  std::vector<Event> local_;
  std::mutex mutex_;
  std::vector<Event> shared_;
  // Set by the engine when it publishes, cleared by JavaScript when it takes: says that a wake-up is
  // on its way. Acquire and release order it with the swap; the list itself is under the mutex.
  std::atomic<bool> waiting_{false};
  // Control datagrams in both lists. A bound, not a hand-over: relaxed is enough.
  std::atomic<uint32_t> queuedControl_{0};
};

}  // namespace beam::core
