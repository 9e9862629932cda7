// The pure packet functions against plain ones.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/sessionTable.h"
#include "packet/allowedIps.h"
#include "packet/blake2s.h"
#include "packet/checksum.h"
#include "packet/controlGate.h"
#include "packet/ip.h"
#include "packet/keyring.h"
#include "packet/replayWindow.h"
#include "packet/tokenBucket.h"
#include "packet/wire.h"
#include "test/check.h"
#include "test/packets.h"

using namespace beam;
using namespace beam::packet;
using beam::test::Random;

namespace {

uint16_t plainChecksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += uint32_t{bytes[i]} << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

TEST(checksums, "the checksum equals one word at a time, at every length and offset") {
  Random random(1);
  const auto bytes = random.bytes(3000);
  for (size_t length = 0; length < 400; length++) {
    const size_t offset = random.below(8);
    const std::span<const uint8_t> part(bytes.data() + offset, length + (length % 7 == 0 ? 2000 : 0));
    CHECK(__builtin_bswap16(checksumFold(checksumAdd(part))) == plainChecksum(part));
  }
  const std::vector<uint8_t> ones(65535, 0xff);
  CHECK(checksumFold(checksumAdd(ones)) == __builtin_bswap16(plainChecksum(ones)));
}

TEST(replay, "the replay window agrees with a set of what was seen") {
  Random random(2);
  ReplayWindow window;
  std::set<uint64_t> seen;
  uint64_t newest = 0;
  bool any = false;
  for (int i = 0; i < 60000; i++) {
    uint64_t counter = newest;
    if (random.chance(50)) counter += random.below(4);
    if (random.chance(30)) counter -= std::min<uint64_t>(counter, random.below(9000));
    if (random.chance(1)) counter += random.below(20000);
    const bool left = any && newest + 1 > counter + 1 + ReplayWindow::kWindow;
    const bool expected = !left && !seen.contains(counter);
    CHECK(window.wouldAccept(counter) == expected);
    CHECK(window.accept(counter) == expected);
    if (expected) seen.insert(counter);
    newest = std::max(newest, counter);
    any = true;
  }
}

TEST(replayEnds, "the replay window holds at both ends of the counter") {
  ReplayWindow window;
  CHECK(window.accept(0) && !window.accept(0));
  const uint64_t last = UINT64_MAX - 8193;
  CHECK(window.accept(last) && !window.accept(last) && window.accept(last - 1));
  CHECK(window.accept(last - ReplayWindow::kWindow) && !window.accept(last - 8129));
}

TEST(allowedIps, "the trie agrees with a search through all prefixes") {
  Random random(3);
  for (int round = 0; round < 30; round++) {
    AllowedIps table;
    std::map<std::tuple<uint8_t, uint64_t, uint64_t, uint32_t>, uint32_t> plain;
    auto mask = [](AddressBits bits, uint32_t length) {
      AddressBits result;
      for (uint32_t i = 0; i < length; i++) {
        uint64_t& word = i < 64 ? result.high : result.low;
        const uint64_t from = i < 64 ? bits.high : bits.low;
        word |= from & (uint64_t{1} << (63 - i % 64));
      }
      return result;
    };
    auto draw = [&](uint8_t version) {
      // Few distinct bits, so that prefixes nest.
      AddressBits bits{random.next() & 0xc000'0300'0000'0000, 0};
      if (version == 6) bits = {random.next() & 0xc000'0000'0000'0003, random.next() & 0x8000'0000'0000'0001};
      return bits;
    };
    for (int step = 0; step < 300; step++) {
      const uint8_t version = random.chance(50) ? 4 : 6;
      const uint32_t length = random.below(version == 4 ? 33 : 129);
      const uint32_t peer = random.below(6);
      const AddressBits prefix = mask(draw(version), length);
      const auto key = std::tuple(version, prefix.high, prefix.low, length);
      const uint32_t action = random.below(100);
      if (action < 60) {
        table.insert(version, prefix, length, peer);
        plain[key] = peer;
      } else if (action < 95) {
        table.remove(version, prefix, length, peer);
        const auto found = plain.find(key);
        if (found != plain.end() && found->second == peer) plain.erase(found);
      } else {
        table.removePeer(peer);
        std::erase_if(plain, [&](const auto& entry) { return entry.second == peer; });
      }
      CHECK(table.size() == plain.size());
      const uint8_t family = random.chance(50) ? 4 : 6;
      const AddressBits address = draw(family);
      uint32_t best = kNoPeer;
      int bestLength = -1;
      for (const auto& [entry, owner] : plain) {
        const auto& [entryVersion, high, low, entryLength] = entry;
        if (entryVersion != family || static_cast<int>(entryLength) <= bestLength) continue;
        if (mask(address, entryLength) == AddressBits{high, low}) {
          best = owner;
          bestLength = static_cast<int>(entryLength);
        }
      }
      CHECK(table.lookup(family, address) == best);
    }
  }
}

TEST(keyring, "the keyring rotates as the kernel's does") {
  Keyring<int> ring;
  int a = 0, b = 0, c = 0, d = 0;
  using Dropped = Keyring<int>::Dropped;
  CHECK((ring.installInitiator(&a) == Dropped{}));
  CHECK((ring.installInitiator(&b) == Dropped{}) && ring.previous() == &a && ring.current() == &b);
  CHECK((ring.installResponder(&c) == Dropped{nullptr, &a, nullptr}) && ring.previous() == nullptr);
  CHECK((ring.confirm() == Dropped{}) && ring.current() == &c && ring.previous() == &b);
  ring.installResponder(&a);
  CHECK((ring.installInitiator(&d) == Dropped{nullptr, &c, nullptr}));
  CHECK(ring.previous() == &a && ring.current() == &d && ring.next() == nullptr);
}

TEST(sessionTable, "the session table finds what is in it and nothing else") {
  Random random(4);
  core::SessionTable table;
  std::map<uint32_t, std::unique_ptr<core::Session>> plain;
  for (int i = 0; i < 20000; i++) {
    // Few home slots, so that runs form and wrap around.
    const uint32_t index = random.below(8) * 1024 + random.below(24);
    if (random.chance(55)) {
      if (plain.contains(index)) continue;
      auto session = std::make_unique<core::Session>();
      session->localIndex = index;
      table.insert(session.get());
      plain[index] = std::move(session);
    } else {
      table.erase(index);
      plain.erase(index);
    }
    const uint32_t asked = random.below(8) * 1024 + random.below(24);
    const auto found = plain.find(asked);
    CHECK(table.find(asked) == (found == plain.end() ? nullptr : found->second.get()));
    CHECK(table.size() == plain.size());
  }
}

TEST(padding, "padding reaches a multiple of 16 and never passes the MTU") {
  CHECK(paddedBytes(0, 1420) == 0 && paddedBytes(1, 1420) == 16 && paddedBytes(1420, 1420) == 1420);
  CHECK(paddedBytes(1297, 1299) == 1299 && paddedBytes(1296, 1299) == 1296);
  CHECK(paddedBytes(1299, 1299) == 1299 && paddedBytes(1310, 1299) == 1299 + 16);
  CHECK(paddedBytes(17, 0) == 32);
}

TEST(parsing, "parsing takes no packet that claims more than there is") {
  Random random(5);
  for (int i = 0; i < 20000; i++) {
    auto bytes = random.bytes(random.below(64));
    if (!bytes.empty()) bytes[0] = static_cast<uint8_t>(random.chance(50) ? 0x45 : 0x60);
    const auto ip = parseIp(bytes);
    if (ip) CHECK(ip->totalBytes <= bytes.size() && ip->totalBytes >= (ip->version == 4 ? 20u : 40u));
  }
}

TEST(ecn, "ECN follows RFC 6040 and keeps the checksum right, or wrong") {
  Random random(6);
  const uint8_t outcome[4][4] = {{0, 0, 0, 0}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  for (int inner = 0; inner < 4; inner++) {
    for (int outer = 0; outer < 4; outer++) {
      for (const uint8_t version : {uint8_t{4}, uint8_t{6}}) {
        auto made = test::makePacket({.version = version, .payloadBytes = 10,
                                      .trafficClass = static_cast<uint8_t>(0xb8 | inner)}, random);
        decapsulateEcn(made.bytes, *parseIp(made.bytes), static_cast<uint8_t>(outer));
        CHECK(parseIp(made.bytes)->trafficClass == (0xb8 | outcome[inner][outer]));
        if (version == 4) CHECK(checksumFold(checksumAdd({made.bytes.data(), 20})) == 0xffff);
      }
    }
  }
  CHECK(outerEcn(0xbb) == 2 && outerEcn(0xb9) == 1 && outerEcn(0xb8) == 0);
}

TEST(hash, "BLAKE2s gives RFC 7693's example and keyed answers of a block's edge") {
  uint8_t out[32];
  const uint8_t abc[3] = {'a', 'b', 'c'};
  blake2s(out, {}, abc);
  const uint8_t expected[4] = {0x50, 0x8c, 0x5e, 0x8c};
  CHECK(std::equal(expected, expected + 4, out));
  // The first keyed vectors of the reference: key 00..1f, empty input and one byte.
  std::vector<uint8_t> key(32);
  for (int i = 0; i < 32; i++) key[static_cast<size_t>(i)] = static_cast<uint8_t>(i);
  blake2s(out, key, {});
  const uint8_t keyed[4] = {0x48, 0xa8, 0x99, 0x7d};
  CHECK(std::equal(keyed, keyed + 4, out));
}

TEST(gate, "the gate passes what is whole and authentic, and bounds the rest") {
  Random random(7);
  ControlGate gate(random.next());
  const std::array<uint8_t, 32> publicKey{1, 2, 3};
  const Mac1Key key = mac1Key(publicKey);
  std::vector<uint8_t> message(kInitiationBytes);
  message[0] = 1;
  using Verdict = ControlGate::Verdict;
  uint64_t now = 1'000'000'000;
  CHECK(gate.check(message, 4, {}, now, false) == Verdict::pass);
  gate.setKey(key);
  CHECK(gate.check(message, 4, {}, now, false) == Verdict::forged);
  blake2s({message.data() + 116, 16}, key, {message.data(), 116});
  CHECK(gate.check(message, 4, {}, now, false) == Verdict::pass);
  CHECK(gate.check({message.data(), 147}, 4, {}, now, false) == Verdict::malformed);
  message[1] = 1;
  CHECK(gate.check(message, 4, {}, now, false) == Verdict::malformed);
  message[1] = 0;
  int passed = 0;
  for (int i = 0; i < 1000; i++) passed += gate.check(message, 4, {7, 0}, now, true) == Verdict::pass;
  CHECK(passed == static_cast<int>(ControlGate::kSourceBurst));
  passed = 0;
  for (uint64_t i = 0; i < 50000; i++) {
    passed += gate.check(message, 4, {i << 32, 0}, now, false) == Verdict::pass;
  }
  CHECK(passed <= static_cast<int>(ControlGate::kBurst));
}

TEST(bucket, "a token bucket refills with time and never past its burst") {
  TokenBucket bucket(10, 3);
  uint64_t now = 5'000'000'000;
  CHECK(bucket.take(now) && bucket.take(now) && bucket.take(now) && !bucket.take(now));
  CHECK(!bucket.take(now + 99'000'000) && bucket.take(now + 100'000'000));
  now += 60'000'000'000;
  CHECK(bucket.take(now) && bucket.take(now) && bucket.take(now) && !bucket.take(now));
  CHECK(!bucket.take(now - 1'000'000'000));
}

}  // namespace
