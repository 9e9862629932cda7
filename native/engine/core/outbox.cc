#include "core/outbox.h"

#include <iterator>

namespace beam::core {
namespace {

bool isLeaders(EventKind kind) {
  switch (kind) {
    case EventKind::keysConfirmed:
    case EventKind::keysDropped:
    case EventKind::roamed:
    case EventKind::linkChanged:
    case EventKind::tunClosed:
      return true;
    case EventKind::controlReceived:
    case EventKind::activity:
    case EventKind::keysNeeded:
    case EventKind::notice:
      return false;
  }
  return false;
}

}  // namespace

void Outbox::add(Event event) {
  if (!leads_ && isLeaders(event.kind)) return;
  if (event.kind == EventKind::controlReceived) {
    queuedControl_.fetch_add(1, std::memory_order_relaxed);
  }
  local_.push_back(std::move(event));
}

void Outbox::publish() {
  if (local_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    shared_.insert(shared_.end(), std::make_move_iterator(local_.begin()),
                   std::make_move_iterator(local_.end()));
  }
  local_.clear();
  if (!waiting_.exchange(true, std::memory_order_acq_rel)) wake_();
}

std::vector<Event> Outbox::take() {
  // Cleared first: what is published from here on wakes JavaScript again.
  waiting_.store(false, std::memory_order_release);
  std::vector<Event> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(shared_);
  }
  uint32_t control = 0;
  for (const Event& event : taken) control += event.kind == EventKind::controlReceived;
  queuedControl_.fetch_sub(control, std::memory_order_relaxed);
  return taken;
}

}  // namespace beam::core
