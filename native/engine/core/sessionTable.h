// Receiver index to session: open addressing with linear probing, deletion by shifting back.
#pragma once
#include <cstdint>
#include <vector>

#include "core/session.h"

namespace beam::core {

class SessionTable {
 public:
  SessionTable() : slots_(64) {}

  Session* find(uint32_t localIndex) const {
    for (size_t at = home(localIndex);; at = next(at)) {
      Session* session = slots_[at];
      if (session == nullptr || session->localIndex == localIndex) return session;
    }
  }

  /** Grows, so that at most half is taken. Not for the packet path. */
  void insert(Session* session) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    put(session);
    count_++;
  }

  void erase(uint32_t localIndex) {
    size_t hole = home(localIndex);
    while (slots_[hole] != nullptr && slots_[hole]->localIndex != localIndex) hole = next(hole);
    if (slots_[hole] == nullptr) return;
    slots_[hole] = nullptr;
    count_--;
    for (size_t at = next(hole); slots_[at] != nullptr; at = next(at)) {
      Session* moved = slots_[at];
      slots_[at] = nullptr;
      put(moved);
    }
  }

  size_t size() const { return count_; }

 private:
  // Indices are random already (the control plane draws them), so their low bits will do.
  size_t home(uint32_t localIndex) const { return localIndex & (slots_.size() - 1); }
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  void put(Session* session) {
    size_t at = home(session->localIndex);
    while (slots_[at] != nullptr) at = next(at);
    slots_[at] = session;
  }

  void grow() {
    std::vector<Session*> old(slots_.size() * 2);
    old.swap(slots_);
    for (Session* session : old) {
      if (session != nullptr) put(session);
    }
  }

  std::vector<Session*> slots_;
  size_t count_ = 0;
};

}  // namespace beam::core
