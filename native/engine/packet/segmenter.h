// Cuts a super-packet that the TUN handed over (virtio-net header, TSO or USO) into IP packets.
//
// A segment's headers are written into the packet itself, right in front of its payload, over the
// tail of the segment before. So the even segments are placed and sealed first, then the odd ones
// (`restore` in between puts back what the even ones overwrote): nothing is copied but headers.
// Segments too small for that are copied.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/wire.h"

namespace beam::packet {

class Segmenter {
 public:
  static constexpr uint32_t kMaxHeaderBytes = 128;
  static constexpr uint32_t kMinInPlaceBytes = 256;
  /** More come only of segments smaller than any TCP sends. */
  static constexpr uint32_t kMaxSegments = 2048;
  /** Segments that may be placed and not yet consumed, when they are copied. */
  static constexpr uint32_t kCopySlots = 64;

  Segmenter();

  /**
   * Takes a packet and plans its segments; false if it is malformed. `packet` must have
   * kPaddingMultiple writable bytes after it and stays borrowed until the last segment is
   * consumed. Without GSO there is one segment, whose checksum is completed if asked for.
   */
  bool begin(const VnetHeader& vnet, std::span<uint8_t> packet, uint32_t mtu);

  uint32_t count() const { return count_; }
  /** Padded length of segment i; all but the last are equal. */
  uint32_t sealedPlainBytes(uint32_t i) const {
    return i + 1 == count_ ? lastPaddedBytes_ : paddedBytes_;
  }
  /**
   * Writes segment i's headers and padding; returns the padded packet, contiguous. Call for even
   * i in order, then `restore`, then for odd i; at most kCopySlots may wait to be consumed.
   */
  std::span<const uint8_t> place(uint32_t i);
  /** Puts back the payload that the even segments' headers and padding covered. */
  void restore();

 private:
  struct Saved {
    uint8_t* at;
    uint32_t bytes;
    std::array<uint8_t, kMaxHeaderBytes> content;
  };

  bool beginSingle(const VnetHeader& vnet);
  bool beginGso(const VnetHeader& vnet);
  void writeHeaders(uint8_t* header, uint32_t i, std::span<const uint8_t> payload) const;
  void writeTcp(uint8_t* l4, uint32_t i, uint64_t sum, std::span<const uint8_t> payload) const;
  void writeUdp(uint8_t* l4, uint64_t sum, std::span<const uint8_t> payload) const;
  void save(uint8_t* at, uint32_t bytes);

  std::span<uint8_t> packet_;
  std::array<uint8_t, kMaxHeaderBytes> header_{};
  uint8_t version_ = 0;
  uint8_t protocol_ = 0;
  uint32_t l4Start_ = 0;
  uint32_t headerBytes_ = 0;
  uint32_t gsoBytes_ = 0;
  uint32_t count_ = 0;
  uint32_t paddedBytes_ = 0;
  uint32_t lastPaddedBytes_ = 0;
  uint64_t addressSum_ = 0;
  bool inPlace_ = false;
  uint32_t nextSlot_ = 0;
  std::vector<uint8_t> copies_;
  std::vector<Saved> saved_;
  uint32_t savedCount_ = 0;
};

}  // namespace beam::packet
