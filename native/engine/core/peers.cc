#include "core/peers.h"

#include <algorithm>

namespace beam::core {

using packet::Suite;

Peers::Peers(packet::CipherBackend& cipher, Outbox& outbox) : cipher_(cipher), outbox_(outbox) {
  for (int suite = 0; suite < packet::kSuites; suite++) {
    keyPools_.emplace_back(cipher.stateBytes(static_cast<Suite>(suite)));
  }
}

Peers::~Peers() {
  for (auto& peer : peers_) {
    if (peer == nullptr) continue;
    for (Session* session : peer->keys.clear()) {
      if (session != nullptr) release(session);
    }
  }
}

void Peers::add(PeerRef ref) {
  if (ref.slot >= peers_.size()) peers_.resize(ref.slot + 1);
  peers_[ref.slot] = std::make_unique<Peer>();
  peers_[ref.slot]->ref = ref;
}

void Peers::remove(PeerRef ref) {
  Peer* peer = find(ref);
  if (peer == nullptr) return;
  for (Session* session : peer->keys.clear()) {
    if (session != nullptr) release(session);
  }
  takeStaged(*peer);
  allowedIps_.removePeer(ref.slot);
  std::erase(toReport_, peer);
  peers_[ref.slot].reset();
}

Peer* Peers::find(PeerRef ref) const {
  if (ref.slot >= peers_.size()) return nullptr;
  Peer* peer = peers_[ref.slot].get();
  return peer != nullptr && peer->ref == ref ? peer : nullptr;
}

bool Peers::install(Peer& peer, const NewSession& fresh, std::span<const uint8_t, 32> sendKey,
                    std::span<const uint8_t, 32> receiveKey) {
  kernel::LockedPool& pool = keyPools_[static_cast<size_t>(fresh.suite)];
  uint8_t* sendState = pool.take();
  uint8_t* receiveState = pool.take();
  if (sendState == nullptr || receiveState == nullptr) {
    if (sendState != nullptr) pool.give(sendState);
    return false;
  }
  cipher_.expand(fresh.suite, sendKey, sendState);
  cipher_.expand(fresh.suite, receiveKey, receiveState);
  auto owned = std::make_unique<Session>(Session{
      .peer = &peer,
      .localIndex = fresh.localIndex,
      .remoteIndex = fresh.remoteIndex,
      .suite = fresh.suite,
      .initiator = fresh.initiator,
      .createdNs = fresh.createdNs,
      .limits = fresh.limits,
      .sendState = sendState,
      .receiveState = receiveState,
      .sendCounter = fresh.sendCounter,
  });
  Session* session = owned.get();
  owned_.insert_or_assign(session->localIndex, std::move(owned));
  const auto dropped =
      fresh.initiator ? peer.keys.installInitiator(session) : peer.keys.installResponder(session);
  drop(dropped);
  sessions_.insert(session);
  peer.keysNeededAtNs = 0;
  return true;
}

void Peers::expireKeys(Peer& peer) {
  for (Session* session : {peer.keys.previous(), peer.keys.current(), peer.keys.next()}) {
    if (session != nullptr) session->maySend = false;
  }
}

void Peers::dropKeys(Peer& peer) { drop(peer.keys.clear()); }

bool Peers::dropSession(Session& session) {
  const bool wasCurrent = session.peer->keys.remove(&session);
  drop({&session, nullptr, nullptr});
  return wasCurrent;
}

void Peers::confirm(Peer& peer) {
  const uint32_t localIndex = peer.keys.next()->localIndex;
  drop(peer.keys.confirm());
  outbox_.add({.kind = EventKind::keysConfirmed, .peer = peer.ref, .localIndex = localIndex});
}

void Peers::drop(const packet::Keyring<Session>::Dropped& sessions) {
  for (Session* session : sessions) {
    if (session == nullptr) continue;
    outbox_.add({.kind = EventKind::keysDropped,
                 .peer = session->peer->ref,
                 .localIndex = session->localIndex});
    release(session);
  }
}

void Peers::release(Session* session) {
  sessions_.erase(session->localIndex);
  kernel::LockedPool& pool = keyPools_[static_cast<size_t>(session->suite)];
  for (uint8_t* state : {session->sendState, session->receiveState}) {
    cipher_.forget(state);
    pool.give(state);
  }
  owned_.erase(session->localIndex);
}

bool Peers::stage(Peer& peer, std::vector<uint8_t> packet) {
  if (stagedBytes_ + packet.size() > kMaxStagedBytes) return false;
  bool kept = true;
  if (peer.staged.size() == kMaxStagedPackets) {
    stagedBytes_ -= peer.staged.front().size();
    peer.staged.pop_front();
    kept = false;
  }
  stagedBytes_ += packet.size();
  peer.staged.push_back(std::move(packet));
  return kept;
}

std::deque<std::vector<uint8_t>> Peers::takeStaged(Peer& peer) {
  for (const auto& packet : peer.staged) stagedBytes_ -= packet.size();
  std::deque<std::vector<uint8_t>> staged;
  staged.swap(peer.staged);
  return staged;
}

void Peers::note(Peer& peer, Activity activity, uint64_t nowNs) {
  peer.activityNs[static_cast<size_t>(activity)] = nowNs;
  if (peer.reportPending) return;
  peer.reportPending = true;
  toReport_.push_back(&peer);
  reportAtNs_ = std::min(reportAtNs_, nowNs + kActivityDelayNs);
}

void Peers::clearLocalAddresses() {
  for (const auto& peer : peers_) {
    if (peer != nullptr) peer->clearLocalAddress();
  }
}

void Peers::needKeys(Peer& peer, uint64_t nowNs) {
  if (peer.keysNeededAtNs != 0 && nowNs - peer.keysNeededAtNs < kKeysNeededIntervalNs) return;
  peer.keysNeededAtNs = nowNs;
  outbox_.add({.kind = EventKind::keysNeeded, .peer = peer.ref});
}

void Peers::reportActivity() {
  reportAtNs_ = kNever;
  for (Peer* peer : toReport_) {
    outbox_.add({.kind = EventKind::activity, .peer = peer->ref, .timesNs = peer->activityNs});
    peer->activityNs = {};
    peer->reportPending = false;
  }
  toReport_.clear();
}

bool Peers::keysLocked() const {
  return std::ranges::all_of(keyPools_, [](const auto& pool) { return pool.allLocked(); });
}

}  // namespace beam::core
