// Requests and answers as bytes, in the TPM's own encoding (TPM 2.0 Library, Part 2): big-endian
// numbers, and a TPM2B is two bytes of size and that many bytes. SPEC.md 10.21.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "library.h"

namespace beam::tpm {

/** Larger than any request or answer: two public areas, a private one, a PCR selection and 1 kB. */
inline constexpr std::size_t kFrameBytes = 8192;

/** Fills memory with zeros, and the compiler does not leave it out. */
void wipe(void* memory, std::size_t bytes) noexcept;

/** A structure of tpm2-tss that holds a secret: zeroed when it goes. */
template <class T>
struct Wiped {
  T value{};
  Wiped() noexcept = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(&value, sizeof value); }
};

/** Bytes of a request or an answer, with their number. Zeroed when they go. */
class Frame {
 public:
  Frame() noexcept = default;
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { wipe(bytes_.data(), bytes_.size()); }

  /** False if there are too many. */
  [[nodiscard]] bool assign(std::span<const std::uint8_t> bytes) noexcept;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept {
    return std::span(bytes_).first(used_);
  }

 private:
  friend class Writer;
  std::array<std::uint8_t, kFrameBytes> bytes_{};
  std::size_t used_ = 0;
};

/** Reads a request; after the first thing that doesn't fit everything is zero and `ok` false. */
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /** True if all was read and it fitted. */
  [[nodiscard]] bool finished() const noexcept { return ok_ && at_ == bytes_.size(); }

  std::uint16_t number16() noexcept { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t number32() noexcept { return static_cast<std::uint32_t>(number(4)); }
  /** The bytes of a TPM2B. */
  std::span<const std::uint8_t> sized() noexcept { return take(number16()); }

  /** A TPM2B whose bytes tpm2-tss keeps in an array. */
  template <class Sized, std::size_t Capacity>
  void sized(Sized& into, BYTE (&array)[Capacity]) noexcept {
    const auto bytes = sized();
    if (bytes.size() > Capacity) ok_ = false;
    if (!ok_) return;
    into.size = static_cast<UINT16>(bytes.size());
    if (!bytes.empty()) std::memcpy(array, bytes.data(), bytes.size());
  }

  /** A structure that tpm2-tss can unmarshal. */
  template <class Structure, class Unmarshal>
  void structure(Structure& into, Unmarshal unmarshal) noexcept {
    if (!ok_) return;
    std::size_t at = at_;
    ok_ = unmarshal(bytes_.data(), bytes_.size(), &at, &into) == TSS2_RC_SUCCESS;
    if (ok_) at_ = at;
  }

 private:
  std::span<const std::uint8_t> take(std::size_t count) noexcept;
  std::uint64_t number(std::size_t count) noexcept;

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

/** Writes an answer. What doesn't fit is a bug of kFrameBytes and is told by `ok`. */
class Writer {
 public:
  explicit Writer(Frame& frame) noexcept : frame_(frame) { frame_.used_ = 0; }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void number8(std::uint8_t value) noexcept { number(value, 1); }
  void number32(std::uint32_t value) noexcept { number(value, 4); }
  void sized(std::span<const std::uint8_t> bytes) noexcept;

  template <class Structure, class Marshal>
  void structure(const Structure& value, Marshal marshal) noexcept {
    std::size_t at = frame_.used_;
    if (ok_) {
      ok_ = marshal(&value, frame_.bytes_.data(), kFrameBytes, &at) == TSS2_RC_SUCCESS;
    }
    if (ok_) frame_.used_ = at;
  }

 private:
  void number(std::uint32_t value, std::size_t count) noexcept;

  Frame& frame_;
  bool ok_ = true;
};

}  // namespace beam::tpm
