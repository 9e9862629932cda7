// Cryptokey routing: longest-prefix match from an inner address to a peer, a path-compressed
// binary trie for each family (as the kernel's allowedips). Nodes live in one vector and point by
// index; a peer's entries form a list, so that dropping a peer costs what the peer has.
#pragma once
#include <cstdint>
#include <vector>

#include "packet/ip.h"

namespace beam::packet {

inline constexpr uint32_t kNoPeer = UINT32_MAX;

class AllowedIps {
 public:
  AllowedIps();

  /** `length` is 0 to 32 or 128; bits past it are ignored. Takes the prefix from any other peer. */
  void insert(uint8_t version, AddressBits prefix, uint32_t length, uint32_t peer);
  /** Removes the prefix if the peer has it. */
  void remove(uint8_t version, AddressBits prefix, uint32_t length, uint32_t peer);
  void removePeer(uint32_t peer);

  /** The peer with the longest prefix of the address, or kNoPeer. */
  uint32_t lookup(uint8_t version, AddressBits address) const;
  /** Entries of all peers. */
  uint32_t size() const { return size_; }

 private:
  using Index = uint32_t;
  static constexpr Index kNone = UINT32_MAX;
  struct Node {
    AddressBits prefix;
    uint8_t length = 0;
    uint32_t peer = kNoPeer;
    Index child[2] = {kNone, kNone};
    Index parent = kNone;
    Index previousOfPeer = kNone;
    Index nextOfPeer = kNone;
  };

  Index find(uint8_t version, AddressBits prefix, uint32_t length) const;
  Index findOrCreate(uint8_t version, AddressBits prefix, uint32_t length);
  Index allocate(AddressBits prefix, uint32_t length);
  void attach(Index parent, Index node, uint8_t version);
  void claim(Index node, uint32_t peer);
  void release(Index node, uint8_t version);
  void prune(Index node, uint8_t version);
  void unlinkFromPeer(Index node);

  std::vector<Node> nodes_;
  std::vector<Index> free_;
  std::vector<Index> firstOfPeer_;
  std::vector<uint8_t> versions_;
  Index root_[2] = {kNone, kNone};
  uint32_t size_ = 0;
};

}  // namespace beam::packet
