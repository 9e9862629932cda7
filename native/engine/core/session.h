// One session: keys, counters, limits, replay window; and one peer, with its keyring, path, staged
// packets and what is to be reported about it. Both belong to one loop; where a device has several,
// each has its own copies, and only the send counter is shared.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/outbox.h"
#include "packet/aead.h"
#include "packet/keyring.h"
#include "packet/path.h"
#include "packet/replayWindow.h"

namespace beam::core {

inline constexpr uint64_t kNever = UINT64_MAX;

struct SessionLimits {
  uint64_t rekeyAfterMessages;
  /** What the AEAD bears under one key; RFC 9001 6.6. */
  uint64_t sendAtMostMessages;
  uint64_t rejectAfterMessages;
  /** Datagrams that failed to open: with that many the session is dropped. */
  uint64_t dropAfterForgeries;
  /** kNever where the session isn't renewed by age. */
  uint64_t rekeyAfterNs;
  uint64_t rekeyOnReceiveAfterNs;
  uint64_t rejectAfterNs;

  uint64_t lastSent() const { return std::min(sendAtMostMessages, rejectAfterMessages); }
};

/**
 * The next counter to send under, one for all copies of a session. Each value is handed out once;
 * nothing else is ordered by it, so relaxed is enough.
 */
using SendCounter = std::atomic<uint64_t>;

struct Peer;

struct Session {
  Peer* peer;
  uint32_t localIndex;
  uint32_t remoteIndex;
  packet::Suite suite;
  bool initiator;
  uint64_t createdNs;
  SessionLimits limits;
  // In locked memory, owned by the key store.
  uint8_t* sendState = nullptr;
  uint8_t* receiveState = nullptr;
  std::shared_ptr<SendCounter> sendCounter;
  uint64_t forgeries = 0;
  bool maySend = true;
  bool askedOnReceive = false;
  /** Under `next`, by a loop that doesn't lead: the leader was told of the first packet. */
  bool confirmTold = false;
  /** The same of its wear. */
  bool wornTold = false;
  packet::ReplayWindow window{};

  uint64_t ageNs(uint64_t nowNs) const { return nowNs > createdNs ? nowNs - createdNs : 0; }
  /** It has met as many forgeries as its cipher bears: to be dropped. */
  bool worn() const { return forgeries >= limits.dropAfterForgeries; }
  bool tooOld(uint64_t nowNs) const { return ageNs(nowNs) >= limits.rejectAfterNs; }

  /** The first of `packets` counters, if they may be sealed now; once null it stays null. */
  std::optional<uint64_t> claim(uint64_t nowNs, uint32_t packets) {
    if (maySend && tooOld(nowNs)) maySend = false;
    if (!maySend) return std::nullopt;
    uint64_t first = sendCounter->load(std::memory_order_relaxed);
    do {
      if (limits.lastSent() - first < packets) {
        maySend = false;
        return std::nullopt;
      }
    } while (!sendCounter->compare_exchange_weak(first, first + packets,
                                                 std::memory_order_relaxed));
    return first;
  }

  bool canSend(uint64_t nowNs) {
    if (maySend && (tooOld(nowNs) || limits.lastSent() == sent())) maySend = false;
    return maySend;
  }

  uint64_t sent() const { return sendCounter->load(std::memory_order_relaxed); }

  bool rekeyDueOnSend(uint64_t nowNs) const {
    if (!maySend) return false;
    return sent() > limits.rekeyAfterMessages || ageNs(nowNs) >= limits.rekeyAfterNs;
  }

  /** True once. */
  bool rekeyDueOnReceive(uint64_t nowNs) {
    if (!maySend || askedOnReceive || ageNs(nowNs) < limits.rekeyOnReceiveAfterNs) return false;
    askedOnReceive = true;
    return true;
  }
};

enum class Activity : uint8_t {
  dataSent,
  authenticatedSent,
  dataReceived,
  authenticatedReceived,
};

struct Peer {
  PeerRef ref;
  packet::PathRecord path{};
  /** By a loop that doesn't lead: where the leader was last told that the peer is. */
  packet::PathRecord toldPath{};
  packet::Keyring<Session> keys;
  /** Padded packets that wait for keys, oldest first. */
  std::deque<std::vector<uint8_t>> staged;
  uint64_t receivedBytes = 0;
  uint64_t sentBytes = 0;
  std::array<uint64_t, 4> activityNs{};
  bool reportPending = false;
  /** 0: not yet. */
  uint64_t keysNeededAtNs = 0;
  /** When the local address was last held against the routes. */
  uint64_t routeCheckedAtNs = 0;
  /** The path refuses UDP_SEGMENT (its MTU is below a segment) until then. */
  uint64_t noSegmentUntilNs = 0;

  void setPath(const packet::PathRecord& fresh) {
    path = fresh;
    toldPath = {};
    noSegmentUntilNs = 0;
    routeCheckedAtNs = 0;
  }

  void clearLocalAddress() {
    path.hasLocal = 0;
    path.local = {};
    path.interfaceIndex = 0;
  }
};

}  // namespace beam::core
