#include "packet/allowedIps.h"

#include <algorithm>
#include <bit>

namespace beam::packet {
namespace {

constexpr int rootOf(uint8_t version) { return version == 4 ? 0 : 1; }

AddressBits masked(AddressBits bits, uint32_t length) {
  if (length == 0) return {};
  if (length < 64) return {bits.high & (~uint64_t{0} << (64 - length)), 0};
  if (length == 64) return {bits.high, 0};
  if (length < 128) return {bits.high, bits.low & (~uint64_t{0} << (128 - length))};
  return bits;
}

uint32_t bitAt(AddressBits bits, uint32_t position) {
  return position < 64 ? (bits.high >> (63 - position)) & 1 : (bits.low >> (127 - position)) & 1;
}

/** Leading bits that both have, 0 to 128. */
uint32_t commonBits(AddressBits a, AddressBits b) {
  const uint64_t high = a.high ^ b.high;
  if (high != 0) return static_cast<uint32_t>(std::countl_zero(high));
  return 64 + static_cast<uint32_t>(std::countl_zero(a.low ^ b.low));
}

bool covers(AddressBits prefix, uint32_t length, AddressBits address) {
  return commonBits(prefix, address) >= length;
}

}  // namespace

AllowedIps::AllowedIps() = default;

uint32_t AllowedIps::lookup(uint8_t version, AddressBits address) const {
  uint32_t best = kNoPeer;
  Index at = root_[rootOf(version)];
  while (at != kNone) {
    const Node& node = nodes_[at];
    if (!covers(node.prefix, node.length, address)) break;
    if (node.peer != kNoPeer) best = node.peer;
    if (node.length == 128) break;
    at = node.child[bitAt(address, node.length)];
  }
  return best;
}

void AllowedIps::insert(uint8_t version, AddressBits prefix, uint32_t length, uint32_t peer) {
  const Index node = findOrCreate(version, masked(prefix, length), length);
  if (nodes_[node].peer == peer) return;
  if (nodes_[node].peer != kNoPeer) {
    unlinkFromPeer(node);
    size_--;
  }
  versions_[node] = version;
  claim(node, peer);
}

void AllowedIps::remove(uint8_t version, AddressBits prefix, uint32_t length, uint32_t peer) {
  const Index node = find(version, masked(prefix, length), length);
  if (node != kNone && nodes_[node].peer == peer) release(node, version);
}

void AllowedIps::removePeer(uint32_t peer) {
  if (peer >= firstOfPeer_.size()) return;
  while (firstOfPeer_[peer] != kNone) {
    const Index node = firstOfPeer_[peer];
    release(node, versions_[node]);
  }
}

AllowedIps::Index AllowedIps::find(uint8_t version, AddressBits prefix, uint32_t length) const {
  Index at = root_[rootOf(version)];
  while (at != kNone) {
    const Node& node = nodes_[at];
    if (node.length > length || !covers(node.prefix, node.length, prefix)) return kNone;
    if (node.length == length) return at;
    at = node.child[bitAt(prefix, node.length)];
  }
  return kNone;
}

AllowedIps::Index AllowedIps::findOrCreate(uint8_t version, AddressBits prefix, uint32_t length) {
  Index parent = kNone;
  Index at = root_[rootOf(version)];
  while (at != kNone && nodes_[at].length <= length &&
         covers(nodes_[at].prefix, nodes_[at].length, prefix)) {
    if (nodes_[at].length == length) return at;
    parent = at;
    at = nodes_[at].child[bitAt(prefix, nodes_[at].length)];
  }
  const Index leaf = allocate(prefix, length);
  if (at == kNone) {
    attach(parent, leaf, version);
    return leaf;
  }
  const uint32_t common =
      std::min({commonBits(prefix, nodes_[at].prefix), length, uint32_t{nodes_[at].length}});
  if (common == length) {
    // The new prefix stands between `parent` and `at`.
    attach(parent, leaf, version);
    attach(leaf, at, version);
    return leaf;
  }
  const Index fork = allocate(masked(prefix, common), common);
  attach(parent, fork, version);
  attach(fork, at, version);
  attach(fork, leaf, version);
  return leaf;
}

AllowedIps::Index AllowedIps::allocate(AddressBits prefix, uint32_t length) {
  Index index;
  if (free_.empty()) {
    index = static_cast<Index>(nodes_.size());
    nodes_.emplace_back();
    versions_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
    nodes_[index] = Node{};
  }
  nodes_[index].prefix = prefix;
  nodes_[index].length = static_cast<uint8_t>(length);
  return index;
}

void AllowedIps::attach(Index parent, Index node, uint8_t version) {
  nodes_[node].parent = parent;
  if (parent == kNone) {
    root_[rootOf(version)] = node;
  } else {
    nodes_[parent].child[bitAt(nodes_[node].prefix, nodes_[parent].length)] = node;
  }
}

void AllowedIps::claim(Index node, uint32_t peer) {
  if (peer >= firstOfPeer_.size()) firstOfPeer_.resize(peer + 1, kNone);
  nodes_[node].peer = peer;
  nodes_[node].previousOfPeer = kNone;
  nodes_[node].nextOfPeer = firstOfPeer_[peer];
  if (firstOfPeer_[peer] != kNone) nodes_[firstOfPeer_[peer]].previousOfPeer = node;
  firstOfPeer_[peer] = node;
  size_++;
}

void AllowedIps::unlinkFromPeer(Index node) {
  const Node& gone = nodes_[node];
  if (gone.previousOfPeer == kNone) {
    firstOfPeer_[gone.peer] = gone.nextOfPeer;
  } else {
    nodes_[gone.previousOfPeer].nextOfPeer = gone.nextOfPeer;
  }
  if (gone.nextOfPeer != kNone) nodes_[gone.nextOfPeer].previousOfPeer = gone.previousOfPeer;
}

void AllowedIps::release(Index node, uint8_t version) {
  unlinkFromPeer(node);
  nodes_[node].peer = kNoPeer;
  size_--;
  prune(node, version);
}

/** Takes out a node that no peer has and that no longer forks, and then its parent likewise. */
void AllowedIps::prune(Index node, uint8_t version) {
  while (node != kNone && nodes_[node].peer == kNoPeer) {
    const Node gone = nodes_[node];
    if (gone.child[0] != kNone && gone.child[1] != kNone) return;
    const Index child = gone.child[0] != kNone ? gone.child[0] : gone.child[1];
    if (child != kNone) {
      attach(gone.parent, child, version);
    } else if (gone.parent == kNone) {
      root_[rootOf(version)] = kNone;
    } else {
      Node& parent = nodes_[gone.parent];
      parent.child[parent.child[0] == node ? 0 : 1] = kNone;
    }
    free_.push_back(node);
    node = gone.parent;
  }
}

}  // namespace beam::packet
