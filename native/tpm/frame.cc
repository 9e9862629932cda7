#include "frame.h"

#include <cstring>

namespace beam::tpm {

void wipe(void* memory, std::size_t bytes) noexcept { explicit_bzero(memory, bytes); }

bool Frame::assign(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() > bytes_.size()) return false;
  used_ = bytes.size();
  if (used_ > 0) std::memcpy(bytes_.data(), bytes.data(), used_);
  return true;
}

std::span<const std::uint8_t> Reader::take(std::size_t count) noexcept {
  if (!ok_ || bytes_.size() - at_ < count) {
    ok_ = false;
    return {};
  }
  at_ += count;
  return bytes_.subspan(at_ - count, count);
}

std::uint64_t Reader::number(std::size_t count) noexcept {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : take(count)) value = value << 8 | byte;
  return value;
}

void Writer::number(std::uint32_t value, std::size_t count) noexcept {
  if (!ok_ || kFrameBytes - frame_.used_ < count) {
    ok_ = false;
    return;
  }
  for (std::size_t i = 0; i < count; i++) {
    const auto shift = 8 * (count - 1 - i);
    frame_.bytes_[frame_.used_ + i] = static_cast<std::uint8_t>(value >> shift & 0xff);
  }
  frame_.used_ += count;
}

void Writer::sized(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() > 0xffff || kFrameBytes - frame_.used_ < 2 + bytes.size()) ok_ = false;
  if (!ok_) return;
  number(static_cast<std::uint32_t>(bytes.size()), 2);
  if (!bytes.empty()) std::memcpy(frame_.bytes_.data() + frame_.used_, bytes.data(), bytes.size());
  frame_.used_ += bytes.size();
}

}  // namespace beam::tpm
