// The sessions of one peer: previous, current, next, rotated as the kernel does it (noise.c,
// add_new_keypair and received_with_keypair; SPEC.md, "Keyring").
#pragma once
#include <array>

namespace beam::packet {

/** Session handles are plain pointers here; what leaves the ring is returned, never freed. */
template <typename Session>
class Keyring {
 public:
  /** Up to two sessions leave the ring at once. */
  using Dropped = std::array<Session*, 3>;

  Session* current() const { return current_; }
  Session* previous() const { return previous_; }
  Session* next() const { return next_; }

  /** The initiator's session is confirmed by the response it got: used at once. */
  Dropped installInitiator(Session* fresh) {
    Dropped dropped{previous_, nullptr, nullptr};
    if (next_ != nullptr) {
      previous_ = next_;
      next_ = nullptr;
      dropped[1] = current_;
    } else {
      previous_ = current_;
    }
    current_ = fresh;
    return dropped;
  }

  /** The responder's session waits in `next` for the first packet under it. */
  Dropped installResponder(Session* fresh) {
    const Dropped dropped{next_, previous_, nullptr};
    next_ = fresh;
    previous_ = nullptr;
    return dropped;
  }

  /** An authenticated packet came under `next`: it is current now. */
  Dropped confirm() {
    const Dropped dropped{previous_, nullptr, nullptr};
    previous_ = current_;
    current_ = next_;
    next_ = nullptr;
    return dropped;
  }

  /** Takes one session out; true if it was the current one. */
  bool remove(Session* session) {
    const bool wasCurrent = session == current_;
    for (Session** place : {&previous_, &current_, &next_}) {
      if (*place == session) *place = nullptr;
    }
    return wasCurrent;
  }

  Dropped clear() {
    const Dropped dropped{previous_, current_, next_};
    previous_ = current_ = next_ = nullptr;
    return dropped;
  }

 private:
  Session* previous_ = nullptr;
  Session* current_ = nullptr;
  Session* next_ = nullptr;
};

}  // namespace beam::packet
