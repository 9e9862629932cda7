// Peers, their sessions and allowed-IPs, and what is reported about them. On the engine's thread.
#pragma once
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "../../sys/fd.h"
#include "core/outbox.h"
#include "core/session.h"
#include "core/sessionTable.h"
#include "packet/aead.h"
#include "packet/allowedIps.h"
#include "sys/lockedMemory.h"

namespace beam::core {

struct NewSession {
  bool initiator;
  uint32_t localIndex;
  uint32_t remoteIndex;
  packet::Suite suite;
  uint64_t createdNs;
  SessionLimits limits;
  std::shared_ptr<SendCounter> sendCounter;
};

class Peers {
 public:
  Peers(packet::CipherBackend& cipher, Outbox& outbox);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  void add(PeerRef ref);
  void remove(PeerRef ref);
  /** Null if that tenant has gone. */
  Peer* find(PeerRef ref) const;
  /** The peer that has the slot now; only for slots that `allowedIps` gave. */
  Peer* at(uint32_t slot) const { return peers_[slot].get(); }
  Session* session(uint32_t localIndex) const { return sessions_.find(localIndex); }
  packet::AllowedIps& allowedIps() { return allowedIps_; }

  /** Expands the keys; false if there is no memory. The caller zeroes its copy. */
  bool install(Peer& peer, const NewSession& fresh, std::span<const uint8_t, 32> sendKey,
               std::span<const uint8_t, 32> receiveKey);
  void expireKeys(Peer& peer);
  void dropKeys(Peer& peer);
  /** One session; true if it was its peer's current one. */
  bool dropSession(Session& session);
  /** The first packet under `next`: reports and rotates. */
  void confirm(Peer& peer);

  /** Lets routing choose all source addresses again. */
  void clearLocalAddresses();

  /** False if the oldest had to go, or this one. */
  bool stage(Peer& peer, std::vector<uint8_t> packet);
  std::deque<std::vector<uint8_t>> takeStaged(Peer& peer);

  void note(Peer& peer, Activity activity, uint64_t nowNs);
  void needKeys(Peer& peer, uint64_t nowNs);
  /** When `reportActivity` wants to be called; kNever if there is nothing to report. */
  uint64_t nextReportNs() const { return reportAtNs_; }
  void reportActivity();

  bool keysLocked() const;
  size_t sessionCount() const { return sessions_.size(); }

 private:
  void drop(const packet::Keyring<Session>::Dropped& sessions);
  void release(Session* session);

  packet::CipherBackend& cipher_;
  Outbox& outbox_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::unordered_map<uint32_t, std::unique_ptr<Session>> owned_;
  SessionTable sessions_;
  packet::AllowedIps allowedIps_;
  std::vector<kernel::LockedPool> keyPools_;
  std::vector<Peer*> toReport_;
  uint64_t reportAtNs_ = kNever;
  uint64_t stagedBytes_ = 0;
};

}  // namespace beam::core
