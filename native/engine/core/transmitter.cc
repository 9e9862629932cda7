#include "core/transmitter.h"

#include <errno.h>

#include "packet/ip.h"

namespace beam::core {
namespace {

using packet::kTransportHeaderBytes;
using packet::kTransportOverheadBytes;

// The packet starts on a cache line, the virtio-net header right before it.
constexpr size_t kPacketStart = 64;
constexpr size_t kBufferBytes = kPacketStart + packet::kMaxDatagramBytes + 1 + 64;
// What one TUN read can grow to: a full super-packet of the smallest segments worth the name.
constexpr size_t kWorstSealedBytes = 192 << 10;
constexpr size_t kWorstSegments = 2048;

}  // namespace

Transmitter::Transmitter(kernel::Tun& tun, Peers& peers, SendQueue& queue,
                         packet::CipherBackend& cipher, Counters& counters)
    : tun_(tun),
      peers_(peers),
      queue_(queue),
      cipher_(cipher),
      counters_(counters),
      buffer_(kBufferBytes),
      jobs_(kSealBatch) {}

int Transmitter::pump(uint64_t nowNs) {
  const bool vnet = tun_.offloads().vnetHeader;
  const size_t headerBytes = vnet ? packet::kVnetHeaderBytes : 0;
  uint8_t* start = buffer_.data() + kPacketStart - headerBytes;
  int outcome = 0;
  for (uint32_t i = 0; i < kBatchReads; i++) {
    if (queue_.reserve(kWorstSealedBytes, kWorstSegments) == nullptr) {
      queue_.flush(nowNs);
      if (queue_.reserve(kWorstSealedBytes, kWorstSegments) == nullptr) break;
    }
    outcome = tun_.read({start, headerBytes + packet::kMaxDatagramBytes});
    if (outcome < 0) break;
    if (static_cast<size_t>(outcome) < headerBytes) continue;
    packet::VnetHeader header{};
    if (vnet) std::memcpy(&header, start, sizeof header);
    packet(header, {start + headerBytes, static_cast<size_t>(outcome) - headerBytes}, nowNs);
  }
  queue_.flush(nowNs);
  return outcome < 0 ? -outcome : 0;
}

void Transmitter::packet(const packet::VnetHeader& vnet, std::span<uint8_t> bytes,
                         uint64_t nowNs) {
  const auto ip = packet::parseIp(bytes);
  if (!ip || !segmenter_.begin(vnet, bytes, mtu_)) {
    counters_.drop(Drop::malformed);
    return;
  }
  const uint32_t slot =
      peers_.allowedIps().lookup(ip->version, packet::destinationOf(bytes, ip->version));
  if (slot == packet::kNoPeer) {
    counters_.drop(Drop::noPeer, segmenter_.count());
    return;
  }
  Peer& peer = *peers_.at(slot);
  if (peer.path.family == 0) {
    counters_.drop(Drop::noEndpoint, segmenter_.count());
    return;
  }
  if (!peer.staged.empty()) sendStaged(peer, nowNs);
  Session* session = peer.keys.current();
  const auto first = session == nullptr ? std::nullopt : session->claim(nowNs, segmenter_.count());
  if (!first) {
    stageSegments(peer);
    peers_.needKeys(peer, nowNs);
    return;
  }
  sealSegments(*session, *first, packet::outerEcn(ip->trafficClass), nowNs);
  afterSend(peer, *session, nowNs);
}

void Transmitter::sealSegments(Session& session, uint64_t first, uint8_t trafficClass,
                               uint64_t nowNs) {
  const uint32_t count = segmenter_.count();
  const uint32_t stride = kTransportOverheadBytes + segmenter_.sealedPlainBytes(0);
  const uint32_t lastBytes = kTransportOverheadBytes + segmenter_.sealedPlainBytes(count - 1);
  uint8_t* out = queue_.reserve(size_t{count - 1} * stride + lastBytes, count);
  if (out == nullptr) {
    // Only segments far smaller than any MTU allows come to more than `pump` made room for.
    counters_.drop(Drop::malformed, count);
    return;
  }
  for (uint32_t pass = 0; pass < 2; pass++) {
    uint32_t ready = 0;
    for (uint32_t i = pass; i < count; i += 2) {
      const std::span<const uint8_t> plain = segmenter_.place(i);
      uint8_t* datagram = out + size_t{i} * stride;
      writeHeader(datagram, session, first + i);
      jobs_[ready++] = {plain.data(), static_cast<uint32_t>(plain.size()),
                        datagram + kTransportHeaderBytes, first + i};
      if (ready < kSealBatch && i + 2 < count) continue;
      cipher_.seal(session.suite, session.sendState, {jobs_.data(), ready});
      ready = 0;
    }
    segmenter_.restore();
  }
  for (uint32_t i = 0; i < count; i++) {
    queue_.append(*session.peer, trafficClass,
                  {out + size_t{i} * stride, i + 1 == count ? lastBytes : stride}, nowNs);
  }
}

void Transmitter::stageSegments(Peer& peer) {
  const uint32_t count = segmenter_.count();
  std::vector<std::vector<uint8_t>> packets(count);
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = pass; i < count; i += 2) {
      const auto plain = segmenter_.place(i);
      packets[i].assign(plain.begin(), plain.end());
    }
    segmenter_.restore();
  }
  for (auto& packet : packets) {
    if (!peers_.stage(peer, std::move(packet))) counters_.drop(Drop::stagedOverflow);
  }
}

void Transmitter::writeHeader(uint8_t* datagram, const Session& session, uint64_t counter) const {
  packet::storeLe32(datagram, packet::kMessageTransport);
  packet::storeLe32(datagram + 4, session.remoteIndex);
  packet::storeLe64(datagram + 8, counter);
}

bool Transmitter::sealOne(Peer& peer, std::span<const uint8_t> padded, uint64_t nowNs) {
  if (peer.path.family == 0) {
    counters_.drop(Drop::noEndpoint);
    return false;
  }
  const size_t bytes = kTransportOverheadBytes + padded.size();
  uint8_t* datagram = queue_.reserve(bytes, 1);
  if (datagram == nullptr) {
    queue_.flush(nowNs);
    datagram = queue_.reserve(bytes, 1);
  }
  if (datagram == nullptr) {
    counters_.drop(Drop::sendFailed);
    counters_.sendErrors[EAGAIN]++;
    return false;
  }
  Session& session = *peer.keys.current();
  const auto counter = session.claim(nowNs, 1);
  if (!counter) {
    counters_.drop(Drop::expired);
    return false;
  }
  uint8_t trafficClass = 0;
  if (const auto ip = packet::parseIp(padded)) trafficClass = packet::outerEcn(ip->trafficClass);
  writeHeader(datagram, session, *counter);
  packet::SealJob job{padded.data(), static_cast<uint32_t>(padded.size()),
                      datagram + kTransportHeaderBytes, *counter};
  cipher_.seal(session.suite, session.sendState, {&job, 1});
  queue_.append(peer, trafficClass, {datagram, bytes}, nowNs);
  afterSend(peer, session, nowNs);
  return true;
}

bool Transmitter::sendStaged(Peer& peer, uint64_t nowNs) {
  Session* session = peer.keys.current();
  if (peer.staged.empty()) return false;
  if (session == nullptr || !session->canSend(nowNs)) {
    peers_.needKeys(peer, nowNs);
    return false;
  }
  bool any = false;
  auto staged = peers_.takeStaged(peer);
  while (!staged.empty() && session->canSend(nowNs)) {
    any = sealOne(peer, staged.front(), nowNs) || any;
    staged.pop_front();
  }
  for (auto& packet : staged) {
    if (!peers_.stage(peer, std::move(packet))) counters_.drop(Drop::stagedOverflow);
  }
  if (!peer.staged.empty()) peers_.needKeys(peer, nowNs);
  return any;
}

void Transmitter::sendKeepalive(Peer& peer, uint64_t nowNs) {
  if (peer.staged.empty()) peers_.stage(peer, {});
  sendStaged(peer, nowNs);
}

void Transmitter::afterSend(Peer& peer, const Session& session, uint64_t nowNs) {
  peers_.note(peer, Activity::authenticatedSent, nowNs);
  if (session.rekeyDueOnSend(nowNs)) peers_.needKeys(peer, nowNs);
}

}  // namespace beam::core
