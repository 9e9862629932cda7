#include "sys/lockedMemory.h"

#include <string.h>
#include <sys/mman.h>

#include <utility>

namespace beam::kernel {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kChunkBytes = 64 * 1024;
constexpr size_t kSlotAlignment = 64;

constexpr size_t roundUp(size_t bytes, size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

}  // namespace

LockedMapping::LockedMapping(size_t bytes) : bytes_(roundUp(bytes, kPageBytes)) {
  void* mapping =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return;
  data_ = static_cast<uint8_t*>(mapping);
  locked_ = mlock(data_, bytes_) == 0;
  madvise(data_, bytes_, MADV_DONTDUMP);
  madvise(data_, bytes_, MADV_WIPEONFORK);
}

LockedMapping::LockedMapping(LockedMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_), locked_(other.locked_) {}

LockedMapping::~LockedMapping() {
  if (data_ == nullptr) return;
  explicit_bzero(data_, bytes_);
  munmap(data_, bytes_);
}

LockedPool::LockedPool(size_t slotBytes) : slotBytes_(roundUp(slotBytes, kSlotAlignment)) {}

uint8_t* LockedPool::take() {
  if (free_.empty()) {
    LockedMapping chunk(kChunkBytes);
    if (chunk.data() == nullptr) return nullptr;
    allLocked_ = allLocked_ && chunk.locked();
    for (size_t at = 0; at + slotBytes_ <= chunk.bytes(); at += slotBytes_) {
      free_.push_back(chunk.data() + at);
    }
    chunks_.push_back(std::move(chunk));
  }
  uint8_t* slot = free_.back();
  free_.pop_back();
  return slot;
}

void LockedPool::give(uint8_t* slot) {
  explicit_bzero(slot, slotBytes_);
  free_.push_back(slot);
}

}  // namespace beam::kernel
