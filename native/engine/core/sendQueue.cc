#include "core/sendQueue.h"

#include <errno.h>

#include "packet/wire.h"

namespace beam::core {

using packet::PathRecord;

SendQueue::SendQueue(Peers& peers, Counters& counters, Outbox& outbox)
    : peers_(peers), counters_(counters), outbox_(outbox), arena_(kArenaBytes) {
  runs_.reserve(kRuns);
  outgoing_.reserve(kernel::SendBatch::kMessages);
}

uint8_t* SendQueue::reserve(size_t bytes, size_t datagrams) {
  if (arena_.size() - used_ < bytes || kRuns - runs_.size() < datagrams) return nullptr;
  return arena_.data() + used_;
}

void SendQueue::append(Peer& peer, uint8_t trafficClass, std::span<const uint8_t> datagram,
                       uint64_t nowNs) {
  if (peer.path.family == 4 && peer.path.hasLocal != 0 &&
      nowNs - peer.routeCheckedAtNs >= kRouteCheckNs) {
    checkRoute(peer, nowNs);
  }
  const bool segment = segmenting(peer.path.family) && nowNs >= peer.noSegmentUntilNs;
  appendTo(peer.path, peer.ref, trafficClass, datagram, segment);
}

/**
 * The kernel's WireGuard gives up a sticky IPv4 source when the route leaves by another interface
 * than the peer's packets come in by.
 */
void SendQueue::checkRoute(Peer& peer, uint64_t nowNs) {
  peer.routeCheckedAtNs = nowNs;
  if (peer.path.interfaceIndex == 0) return;
  sys::Flow4 flow;
  std::copy_n(peer.path.remote.begin(), 4, flow.destination.begin());
  std::copy_n(peer.path.local.begin(), 4, flow.source.begin());
  flow.destinationPort = peer.path.port;
  flow.sourcePort = port_;
  flow.mark = mark_;
  const auto out = sys::interfaceFor(netlink_, flow);
  // No route, or no answer: sending finds out.
  if (out.ok() && out.value != static_cast<int>(peer.path.interfaceIndex)) {
    peer.clearLocalAddress();
  }
}

void SendQueue::appendTo(const PathRecord& path, PeerRef peer, uint8_t trafficClass,
                         std::span<const uint8_t> datagram, bool joinable) {
  const auto bytes = static_cast<uint32_t>(datagram.size());
  used_ += bytes;
  if (joinable && !empty() && joins(runs_.back(), path, peer, trafficClass, datagram)) {
    Run& run = runs_.back();
    run.bytes += bytes;
    run.segments++;
    run.closed = bytes < run.segmentBytes;
    return;
  }
  const bool transport = datagram[0] == packet::kMessageTransport;
  runs_.push_back(
      {path, peer, datagram.data(), bytes, bytes, 1, trafficClass, !joinable, false, transport});
}

bool SendQueue::joins(const Run& run, const PathRecord& path, PeerRef peer, uint8_t trafficClass,
                      std::span<const uint8_t> datagram) const {
  return !run.closed && !run.split && run.peer == peer && run.trafficClass == trafficClass &&
         run.start + run.bytes == datagram.data() && datagram.size() <= run.segmentBytes &&
         run.segments < packet::kMaxUdpSegments &&
         run.bytes + datagram.size() <= packet::kMaxUdpPayloadBytes && run.path == path;
}

void SendQueue::flush(uint64_t nowNs) {
  nowNs_ = nowNs;
  while (!empty()) {
    Run& run = runs_[head_];
    const uint8_t family = run.path.family;
    if (blocked(family)) return;
    const kernel::UdpSocket& socket = sockets_.of(family);
    if (!socket.fd) {
      dropRun(run, 0);
      continue;
    }
    const uint32_t messages = gather(family);
    const int injected = fault();
    const int outcome = injected != 0 ? -injected
                                      : batch_.send(socket, family, {outgoing_.data(), messages});
    if (outcome > 0) {
      sent(static_cast<uint32_t>(outcome));
    } else if (outcome == -EAGAIN) {
      blocked_[family == 4 ? 0 : 1] = true;
      return;
    } else if (outcome != -EINTR && !failed(run, -outcome, nowNs)) {
      dropRun(run, -outcome);
    }
  }
  runs_.clear();
  head_ = 0;
  used_ = 0;
}

int SendQueue::fault() {
  const Run& run = runs_[head_];
  if (faults_.localOnce && run.path.hasLocal != 0) {
    faults_.localOnce = false;
    return EINVAL;
  }
  if (faults_.segmentSend != 0 && outgoing_[0].segmentBytes != 0) return faults_.segmentSend;
  return faults_.send;
}

/** Consecutive runs of one family; a split run's next segment goes alone. */
uint32_t SendQueue::gather(uint8_t family) {
  outgoing_.clear();
  for (size_t i = head_; i < runs_.size() && outgoing_.size() < outgoing_.capacity(); i++) {
    const Run& run = runs_[i];
    if (run.path.family != family || (run.split && i > head_)) break;
    if (i > head_ && faults_.segmentSend != 0) break;
    if (run.split) {
      const uint32_t bytes = std::min(run.segmentBytes, run.bytes);
      outgoing_.push_back({&run.path, {run.start, bytes}, 0, run.trafficClass});
      break;
    }
    const uint32_t segmentBytes = run.segments > 1 ? run.segmentBytes : 0;
    outgoing_.push_back({&run.path, {run.start, run.bytes}, segmentBytes, run.trafficClass});
  }
  return static_cast<uint32_t>(outgoing_.size());
}

void SendQueue::sent(uint32_t messages) {
  for (uint32_t i = 0; i < messages; i++) {
    Run& run = runs_[head_];
    const auto bytes = static_cast<uint32_t>(outgoing_[i].bytes.size());
    if (Peer* peer = peers_.find(run.peer)) {
      peer->sentBytes += bytes;
      if (run.segmentBytes > packet::kTransportOverheadBytes && run.transport) {
        peers_.note(*peer, Activity::dataSent, nowNs_);
      }
    }
    run.start += bytes;
    run.bytes -= bytes;
    if (run.bytes == 0) {
      head_++;
    } else {
      run.segments--;
    }
  }
}

bool SendQueue::failed(Run& run, int error, uint64_t nowNs) {
  Peer* peer = peers_.find(run.peer);
  if (run.segments > 1 && !run.split) {
    run.split = true;
    if (error == EIO) {
      // The interface that it goes out by can't finish checksums: a matter of this machine.
      const bool six = run.path.family == 6;
      allowed_[six ? 1 : 0].segment = false;
      outbox_.add({.kind = EventKind::notice,
                   .text = six ? "UDP_SEGMENT over IPv6 failed with EIO: switched off"
                               : "UDP_SEGMENT over IPv4 failed with EIO: switched off"});
      return true;
    }
    if (error == EINVAL || error == EMSGSIZE) {
      // Segments longer than the path's MTU can't be cut by the kernel; alone they go in fragments.
      if (peer != nullptr) peer->noSegmentUntilNs = nowNs + kSegmentRetryNs;
      return true;
    }
    run.split = false;
  }
  const bool localRefused =
      error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH || error == ENODEV;
  if (run.path.hasLocal != 0 && localRefused) {
    // The local address has gone: let routing choose.
    run.path.hasLocal = 0;
    if (peer != nullptr && peer->path.local == run.path.local) peer->clearLocalAddress();
    return true;
  }
  return false;
}

void SendQueue::dropRun(Run& run, int error) {
  const uint32_t lost = run.split ? 1 : run.segments;
  counters_.drop(Drop::sendFailed, lost);
  counters_.sendErrors[static_cast<size_t>(error) < kErrnos ? error : 0] += lost;
  if (run.split && run.segments > 1) {
    run.start += run.segmentBytes;
    run.bytes -= run.segmentBytes;
    run.segments--;
  } else {
    head_++;
  }
}

}  // namespace beam::core
