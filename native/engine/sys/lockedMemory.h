// Memory for keys: locked, left out of core dumps, not inherited by a fork, zeroed when given back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace beam::kernel {

/** One mapping. Where the kernel refuses to lock it, it is used unlocked and says so. */
class LockedMapping {
 public:
  explicit LockedMapping(size_t bytes);
  LockedMapping(LockedMapping&& other) noexcept;
  LockedMapping(const LockedMapping&) = delete;
  LockedMapping& operator=(const LockedMapping&) = delete;
  LockedMapping& operator=(LockedMapping&&) = delete;
  ~LockedMapping();

  /** Null if there is no memory. */
  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  bool locked() const { return locked_; }

 private:
  uint8_t* data_ = nullptr;
  size_t bytes_;
  bool locked_ = false;
};

/** Slots of one size, aligned to 64 bytes, cut from locked mappings that grow by the chunk. */
class LockedPool {
 public:
  explicit LockedPool(size_t slotBytes);
  /** Null if there is no memory. */
  uint8_t* take();
  /** Zeroes and keeps the slot. */
  void give(uint8_t* slot);
  bool allLocked() const { return allLocked_; }

 private:
  size_t slotBytes_;
  std::vector<LockedMapping> chunks_;
  std::vector<uint8_t*> free_;
  bool allLocked_ = true;
};

}  // namespace beam::kernel
