#include "packet/coalescer.h"

#include <cstring>

#include "packet/bytes.h"
#include "packet/checksum.h"

namespace beam::packet {
namespace {

constexpr uint32_t kTcpMinBytes = 20;
constexpr uint32_t kUdpBytes = 8;
constexpr uint32_t kTcpFlags = 13;
constexpr uint32_t kTcpChecksum = 16;
constexpr uint32_t kUdpChecksum = 6;
constexpr uint8_t kAck = 0x10;
constexpr uint8_t kPsh = 0x08;
constexpr uint16_t kDontFragment = 0x4000;

bool sameBytes(const uint8_t* a, const uint8_t* b, size_t from, size_t to) {
  return std::memcmp(a + from, b + from, to - from) == 0;
}

}  // namespace

/** Finds the flow of an unfragmented TCP or UDP packet without IP options; false for any other. */
bool Coalescer::classify(std::span<const uint8_t> packet, const IpHeader& header,
                         Flow& flow) const {
  if (header.version == 4) {
    if (header.headerBytes != 20) return false;
    if ((loadBe16(&packet[6]) & ~kDontFragment) != 0) return false;
  }
  const bool tcp = header.protocol == kProtocolTcp;
  if (!tcp && header.protocol != kProtocolUdp) return false;
  const uint32_t l4MinBytes = tcp ? kTcpMinBytes : kUdpBytes;
  if (header.headerBytes + l4MinBytes > packet.size()) return false;
  const uint8_t* l4 = &packet[header.headerBytes];
  const uint32_t l4Bytes = tcp ? (l4[12] >> 4) * 4u : kUdpBytes;
  if (l4Bytes < l4MinBytes || header.headerBytes + l4Bytes > packet.size()) return false;
  const auto headerBytes = static_cast<uint16_t>(header.headerBytes + l4Bytes);
  flow = {header.version, header.protocol, header.headerBytes, headerBytes,
          static_cast<uint32_t>(packet.size()) - headerBytes};
  return true;
}

bool Coalescer::joinable(std::span<const uint8_t> packet, const Flow& flow) const {
  if (flow.payloadBytes == 0) return false;
  const uint8_t* l4 = &packet[flow.l4Start];
  if (flow.protocol == kProtocolTcp) {
    if (!(flow.version == 4 ? features_.tcp4 : features_.tcp6)) return false;
    if ((l4[kTcpFlags] & ~kPsh) != kAck || (l4[12] & 0x0f) != 0) return false;
  } else {
    if (!(flow.version == 4 ? features_.udp4 : features_.udp6)) return false;
    if (loadBe16(l4 + 4) != kUdpBytes + flow.payloadBytes) return false;
    if (loadRaw<uint16_t>(l4 + kUdpChecksum) == 0) return false;
  }
  return checksumValid(packet, flow);
}

bool Coalescer::checksumValid(std::span<const uint8_t> packet, const Flow& flow) {
  const auto addresses = flow.version == 4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  const std::span<const uint8_t> l4 = packet.subspan(flow.l4Start);
  uint64_t sum = pseudoHeaderSum(addresses, flow.protocol, static_cast<uint32_t>(l4.size()));
  sum = checksumAdd(l4, sum);
  if (checksumFold(sum) != 0xffff) return false;
  if (flow.version == 6) return true;
  return checksumFold(checksumAdd(packet.first(flow.l4Start))) == 0xffff;
}

bool Coalescer::sameAddresses(const Run& run, const uint8_t* packet, uint8_t version) {
  if (run.flow.version != version) return false;
  return version == 4 ? sameBytes(run.head, packet, 12, 20) : sameBytes(run.head, packet, 8, 40);
}

/** Same addresses, protocol and ports. */
bool Coalescer::sameFlow(const Run& run, const uint8_t* packet, const Flow& flow) {
  return run.flow.protocol == flow.protocol && sameAddresses(run, packet, flow.version) && loadRaw<uint32_t>(run.head + run.flow.l4Start) == loadRaw<uint32_t>(packet + flow.l4Start);
}

/** True if the packet is what the segmenter would cut next from this run. */
bool Coalescer::follows(const Run& run, const uint8_t* packet, const Flow& flow) {
  if (run.closed || run.packets == kMaxPackets) return false;
  if (flow.headerBytes != run.flow.headerBytes || flow.payloadBytes > run.gsoBytes) return false;
  const uint32_t grown = run.flow.headerBytes + run.totalPayloadBytes + flow.payloadBytes;
  if (grown > kMaxIpBytes) return false;
  const uint8_t* head = run.head;
  if (flow.version == 4) {
    // TOS; flags and fragment offset; TTL.
    if (head[1] != packet[1] || !sameBytes(head, packet, 6, 9)) return false;
    const uint16_t headId = loadBe16(head + 4);
    const uint16_t id = loadBe16(packet + 4);
    // RFC 6864: the id of a packet that can't be fragmented means nothing, and some systems leave
    // it 0. Those alone come out with other ids, should they be segmented again.
    const bool noId = (loadBe16(head + 6) & kDontFragment) != 0 && id == 0 && headId == 0;
    if (!noId && id != static_cast<uint16_t>(headId + run.packets)) return false;
  } else if (!sameBytes(head, packet, 0, 4) || head[7] != packet[7]) {
    return false;
  }
  if (flow.protocol == kProtocolUdp) return run.packets < kMaxUdpSegments;
  const uint32_t l4 = flow.l4Start;
  if (loadBe32(packet + l4 + 4) != run.nextSequence) return false;
  // Ack and data offset; window; urgent pointer and options.
  return sameBytes(head, packet, l4 + 8, l4 + 13) && sameBytes(head, packet, l4 + 14, l4 + 16) &&
         sameBytes(head, packet, l4 + 18, flow.headerBytes);
}

void Coalescer::add(std::span<uint8_t> packet, const IpHeader& header) {
  Flow flow;
  if (!classify(packet, header, flow)) {
    // A fragment, say, of a flow that has a run: what came before it goes first.
    for (Run& run : runs_) {
      if (run.active && sameAddresses(run, packet.data(), header.version)) writeRun(run);
    }
    writeSingle(packet);
    return;
  }
  Run* same = nullptr;
  Run* unused = nullptr;
  for (Run& run : runs_) {
    if (!run.active) {
      if (unused == nullptr) unused = &run;
    } else if (sameFlow(run, packet.data(), flow)) {
      same = &run;
      break;
    }
  }
  const bool canJoin = joinable(packet, flow);
  if (same != nullptr) {
    if (canJoin && follows(*same, packet.data(), flow)) {
      append(*same, packet.data(), flow);
      return;
    }
    writeRun(*same);
    unused = same;
  }
  if (!canJoin) {
    writeSingle(packet);
    return;
  }
  if (unused == nullptr) {
    unused = &runs_[nextVictim_];
    nextVictim_ = (nextVictim_ + 1) % kMaxRuns;
    writeRun(*unused);
  }
  start(*unused, packet, flow);
}

void Coalescer::start(Run& run, std::span<uint8_t> packet, const Flow& flow) {
  run.active = true;
  run.closed = false;
  run.flow = flow;
  run.head = packet.data();
  run.gsoBytes = flow.payloadBytes;
  run.totalPayloadBytes = flow.payloadBytes;
  run.packets = 1;
  run.parts[1] = {packet.data(), packet.size()};
  if (flow.protocol == kProtocolTcp) {
    run.nextSequence = loadBe32(&packet[flow.l4Start + 4]) + flow.payloadBytes;
    run.lastFlags = packet[flow.l4Start + kTcpFlags];
    run.closed = (run.lastFlags & kPsh) != 0;
  }
}

void Coalescer::append(Run& run, uint8_t* packet, const Flow& flow) {
  run.parts[run.packets + 1] = {packet + flow.headerBytes, flow.payloadBytes};
  run.packets++;
  run.totalPayloadBytes += flow.payloadBytes;
  run.nextSequence += flow.payloadBytes;
  if (flow.payloadBytes < run.gsoBytes) run.closed = true;
  if (flow.protocol == kProtocolTcp) {
    run.lastFlags = packet[flow.l4Start + kTcpFlags];
    if ((run.lastFlags & kPsh) != 0) run.closed = true;
  }
}

void Coalescer::writeRun(Run& run) {
  run.active = false;
  run.vnet = VnetHeader{};
  run.parts[0] = {&run.vnet, sizeof run.vnet};
  if (run.packets == 1) {
    // The checksum was verified on the way in.
    run.vnet.flags = kVnetChecksumValid;
    sink_.write({run.parts.data(), 2}, 1);
    return;
  }
  const Flow& flow = run.flow;
  const bool tcp = flow.protocol == kProtocolTcp;
  uint8_t* l4 = run.head + flow.l4Start;
  const uint32_t totalBytes = flow.headerBytes + run.totalPayloadBytes;
  const uint32_t l4Bytes = totalBytes - flow.l4Start;
  if (flow.version == 4) {
    storeBe16(run.head + 2, static_cast<uint16_t>(totalBytes));
    storeIpv4Checksum({run.head, flow.l4Start});
  } else {
    storeBe16(run.head + 4, static_cast<uint16_t>(l4Bytes));
  }
  const std::span<const uint8_t> addresses =
      flow.version == 4 ? std::span<const uint8_t>{run.head + 12, 8}
                        : std::span<const uint8_t>{run.head + 8, 32};
  const uint16_t partial = checksumFold(pseudoHeaderSum(addresses, flow.protocol, l4Bytes));
  if (tcp) {
    l4[kTcpFlags] = run.lastFlags;
    storeRaw(l4 + kTcpChecksum, partial);
  } else {
    storeBe16(l4 + 4, static_cast<uint16_t>(l4Bytes));
    storeRaw(l4 + kUdpChecksum, partial);
  }
  run.vnet.flags = kVnetNeedsChecksum;
  run.vnet.gsoType = tcp ? (flow.version == 4 ? kGsoTcp4 : kGsoTcp6) : kGsoUdpL4;
  run.vnet.headerBytes = flow.headerBytes;
  run.vnet.gsoBytes = static_cast<uint16_t>(run.gsoBytes);
  run.vnet.checksumStart = flow.l4Start;
  run.vnet.checksumOffset = static_cast<uint16_t>(tcp ? kTcpChecksum : kUdpChecksum);
  sink_.write({run.parts.data(), run.packets + 1}, run.packets);
}

void Coalescer::writeSingle(std::span<uint8_t> packet) {
  VnetHeader vnet{};
  const std::array<iovec, 2> parts{{{&vnet, sizeof vnet}, {packet.data(), packet.size()}}};
  sink_.write(parts, 1);
}

void Coalescer::flush() {
  for (Run& run : runs_) {
    if (run.active) writeRun(run);
  }
}

}  // namespace beam::packet
