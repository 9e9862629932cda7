#include "packet/replayWindow.h"

#include <algorithm>

namespace beam::packet {
namespace {

// Positions count from 1, as `next_` is 0 for an empty window.
constexpr uint64_t blockOf(uint64_t position) { return position / ReplayWindow::kBlockBits; }
constexpr size_t slotOf(uint64_t block) { return block % ReplayWindow::kBlocks; }
constexpr uint64_t bitOf(uint64_t position) {
  return uint64_t{1} << (position % ReplayWindow::kBlockBits);
}

}  // namespace

bool ReplayWindow::wouldAccept(uint64_t counter) const {
  const uint64_t position = counter + 1;
  if (position > next_) return true;
  if (next_ - position > kWindow) return false;
  return (blocks_[slotOf(blockOf(position))] & bitOf(position)) == 0;
}

bool ReplayWindow::accept(uint64_t counter) {
  if (!wouldAccept(counter)) return false;
  const uint64_t position = counter + 1;
  if (position > next_) {
    const uint64_t newest = blockOf(next_);
    const uint64_t fresh = std::min<uint64_t>(blockOf(position) - newest, kBlocks);
    for (uint64_t i = 1; i <= fresh; i++) blocks_[slotOf(newest + i)] = 0;
    next_ = position;
  }
  blocks_[slotOf(blockOf(position))] |= bitOf(position);
  return true;
}

}  // namespace beam::packet
