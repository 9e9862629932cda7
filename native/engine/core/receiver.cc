#include "core/receiver.h"

#include <errno.h>

#include "packet/ip.h"
#include "packet/wire.h"

namespace beam::core {

using packet::ControlGate;
using packet::kTransportHeaderBytes;
using packet::kTransportOverheadBytes;

Receiver::Receiver(kernel::Tun& tun, Peers& peers, SendQueue& queue,
                   packet::CipherBackend& cipher, Counters& counters, Outbox& outbox,
                   PeerChanges& changes, uint64_t seed)
    : tun_(tun),
      peers_(peers),
      queue_(queue),
      cipher_(cipher),
      counters_(counters),
      outbox_(outbox),
      changes_(changes),
      gate_(seed) {}

void Receiver::setFeatures(packet::CoalescerFeatures features) {
  features_ = features;
  coalescer_.setFeatures(features);
}

int Receiver::pump(uint8_t family, uint64_t nowNs) {
  nowNs_ = nowNs;
  const kernel::UdpSocket& socket = queue_.sockets().of(family);
  const int outcome = faults_.groReceive != 0 && socket.gro ? -faults_.groReceive
                                                            : batch_.receive(socket, family);
  if (outcome < 0) {
    if (socket.gro) groFailed(family, -outcome);
    return -outcome;
  }
  for (const kernel::ReceivedMessage& message : batch_.messages()) {
    std::span<uint8_t> rest = message.bytes;
    const size_t segmentBytes = message.segmentBytes == 0 ? rest.size() : message.segmentBytes;
    if (rest.empty()) counters_.drop(Drop::malformed);
    while (!rest.empty()) {
      const size_t bytes = std::min(segmentBytes, rest.size());
      datagram(rest.first(bytes), message);
      rest = rest.subspan(bytes);
    }
  }
  finish();
  return 0;
}

void Receiver::takeOver(const kernel::ReceivedMessage& message, uint64_t nowNs) {
  nowNs_ = nowNs;
  datagram(message.bytes, message);
  finish();
}

void Receiver::finish() {
  openWaiting();
  coalescer_.flush();
  queue_.flush(nowNs_);
}

void Receiver::datagram(std::span<uint8_t> bytes, const kernel::ReceivedMessage& message) {
  if (bytes.size() < 4 || packet::loadLe32(bytes.data()) != packet::kMessageTransport) {
    control(bytes, message);
    return;
  }
  if (bytes.size() < kTransportOverheadBytes) {
    counters_.drop(Drop::malformed);
    return;
  }
  const uint32_t index = packet::loadLe32(&bytes[4]);
  Session* session = waitingSession_;
  if (session == nullptr || session->localIndex != index) {
    openWaiting();
    if (isElsewhere(index, bytes, message)) return;
    session = peers_.session(index);
    if (session == nullptr) {
      counters_.drop(Drop::noSession);
      return;
    }
    waitingSession_ = session;
  }
  const uint64_t counter = packet::loadLe64(&bytes[8]);
  if (counter >= session->limits.rejectAfterMessages || session->tooOld(nowNs_)) {
    // A forgery right before it may have been its session's last.
    openWaiting();
    counters_.drop(peers_.session(index) == nullptr ? Drop::noSession : Drop::expired);
    return;
  }
  const std::span<uint8_t> sealed = bytes.subspan(kTransportHeaderBytes);
  jobs_[waitingCount_] = {sealed.data(), static_cast<uint32_t>(sealed.size()), counter, false};
  waiting_[waitingCount_] = {&message, bytes};
  if (++waitingCount_ == kOpenBatch) openWaiting();
}

/**
 * The sockets' filter sees to it that a datagram comes to the loop that keeps its session's replay
 * window; but the system may join datagrams of two sessions, and they come as the first one does.
 */
bool Receiver::isElsewhere(uint32_t index, std::span<const uint8_t> bytes,
                           const kernel::ReceivedMessage& message) {
  const uint32_t share = packet::queueOfIndex(index, shares_);
  if (share == share_) return false;
  if (!changes_.handOver(share, bytes, message)) counters_.drop(Drop::noSession);
  return true;
}

/** Handshake messages and whatever else isn't transport. */
void Receiver::control(std::span<const uint8_t> bytes, const kernel::ReceivedMessage& message) {
  const uint8_t family = message.path.family;
  const uint32_t queued = outbox_.queuedControl();
  const auto verdict =
      gate_.check(bytes, family, packet::addressBits(message.path.remote.data(), family), nowNs_,
                  queued > kMaxQueuedControl / 2);
  switch (verdict) {
    case ControlGate::Verdict::malformed:
      counters_.drop(Drop::malformed);
      return;
    case ControlGate::Verdict::forged:
      counters_.drop(Drop::forged);
      return;
    case ControlGate::Verdict::overflow:
      counters_.drop(Drop::controlOverflow);
      return;
    case ControlGate::Verdict::pass:
      break;
  }
  if (queued >= kMaxQueuedControl) {
    counters_.drop(Drop::controlOverflow);
    return;
  }
  // Events keep the order of the datagrams.
  openWaiting();
  Event event{.kind = EventKind::controlReceived, .path = message.path};
  event.bytes = static_cast<uint32_t>(bytes.size());
  std::memcpy(event.datagram.data(), bytes.data(), bytes.size());
  outbox_.add(std::move(event));
}

void Receiver::openWaiting() {
  if (waitingCount_ > 0) {
    Session& session = *waitingSession_;
    cipher_.open(session.suite, session.receiveState, {jobs_.data(), waitingCount_});
    for (uint32_t i = 0; i < waitingCount_; i++) {
      if (session.worn()) {
        // As if it had been dropped right when it was worn.
        counters_.drop(Drop::noSession);
      } else if (!jobs_[i].opened) {
        counters_.drop(Drop::forged);
        session.forgeries++;
      } else if (!session.window.accept(jobs_[i].counter)) {
        counters_.drop(Drop::replayed);
      } else {
        opened(session, waiting_[i]);
      }
    }
    if (session.worn()) changes_.worn(session);
  }
  waitingCount_ = 0;
  waitingSession_ = nullptr;
}

void Receiver::opened(Session& session, const Waiting& waiting) {
  Peer& peer = *session.peer;
  const std::span<uint8_t> datagram = waiting.datagram;
  if (!(peer.path == waiting.message->path)) changes_.roamed(peer, waiting.message->path);
  peers_.note(peer, Activity::authenticatedReceived, nowNs_);
  if (&session == peer.keys.next()) changes_.confirmed(peer, session);
  Session* current = peer.keys.current();
  if (current != nullptr && current->rekeyDueOnReceive(nowNs_)) peers_.needKeys(peer, nowNs_);
  const size_t plainBytes = datagram.size() - kTransportOverheadBytes;
  if (plainBytes == 0) {
    peer.receivedBytes += datagram.size();
    return;
  }
  peers_.note(peer, Activity::dataReceived, nowNs_);
  if (deliver(peer, datagram.subspan(kTransportHeaderBytes, plainBytes),
              waiting.message->trafficClass)) {
    peer.receivedBytes += datagram.size();
  }
}

bool Receiver::deliver(Peer& peer, std::span<uint8_t> packet, uint8_t outerTrafficClass) {
  const auto ip = packet::parseIp(packet);
  if (!ip) {
    counters_.drop(Drop::malformed);
    return false;
  }
  const uint32_t owner =
      peers_.allowedIps().lookup(ip->version, packet::sourceOf(packet, ip->version));
  if (owner != peer.ref.slot) {
    counters_.drop(Drop::wrongSource);
    return false;
  }
  packet = packet.first(ip->totalBytes);
  packet::decapsulateEcn(packet, *ip, outerTrafficClass);
  coalescer_.add(packet, *ip);
  return true;
}

void Receiver::write(std::span<const iovec> parts, uint32_t packets) {
  const int error = -tun_.write(parts);
  if (error == 0) return;
  counters_.drop(Drop::tunWriteFailed, packets);
  const uint8_t gsoType = static_cast<const uint8_t*>(parts[0].iov_base)[1];
  const uint8_t version = static_cast<const uint8_t*>(parts[1].iov_base)[0] >> 4;
  // EIO also says that the interface is down.
  if (gsoType != packet::kGsoNone && up_ && (error == EIO || error == EINVAL)) {
    offloadFailed(gsoType, version);
  }
}

void Receiver::groFailed(uint8_t family, int error) {
  if (error != EIO && error != EINVAL) return;
  queue_.stopGro(family);
  outbox_.add({.kind = EventKind::notice,
               .text = family == 4 ? "receiving with UDP_GRO over IPv4 failed: switched off"
                                   : "receiving with UDP_GRO over IPv6 failed: switched off"});
}

void Receiver::offloadFailed(uint8_t gsoType, uint8_t version) {
  packet::CoalescerFeatures features = features_;
  const bool udp = gsoType == packet::kGsoUdpL4;
  const bool four = version == 4;
  (udp ? (four ? features.udp4 : features.udp6) : (four ? features.tcp4 : features.tcp6)) = false;
  setFeatures(features);
  const std::string kind = std::string(udp ? "UDP" : "TCP") + (four ? " over IPv4" : " over IPv6");
  outbox_.add({.kind = EventKind::notice,
               .text = "the TUN refused a joined packet: coalescing of " + kind + " switched off"});
}

}  // namespace beam::core
