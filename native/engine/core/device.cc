#include "core/device.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>

#include "core/limits.h"
#include "sys/offloadProbe.h"

namespace beam::core {
namespace {

constexpr int kPairBufferBytes = 4 << 20;

void* runLoop(void* loop) {
  static_cast<Loop*>(loop)->run();
  return nullptr;
}

/** Signals are Node's: the engine's thread takes none. */
int startThread(Loop& loop, size_t queue, pthread_t& thread) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, nullptr, runLoop, &loop);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::string name = queue == 0 ? "beam-engine" : "beam-engine-" + std::to_string(queue);
  if (error == 0) pthread_setname_np(thread, name.c_str());
  return error;
}

/** Sends what is staged; the leader an empty packet where it has nothing. */
void greet(Loop& loop, Peer& peer) {
  if (loop.leads()) {
    loop.transmitter().sendKeepalive(peer, loop.nowNs());
  } else {
    loop.transmitter().sendStaged(peer, loop.nowNs());
  }
}

void sendControl(Loop& loop, const packet::PathRecord& path, PeerRef peer,
                 std::span<const uint8_t> bytes, uint8_t trafficClass) {
  SendQueue& queue = loop.queue();
  uint8_t* room = queue.reserve(bytes.size(), 1);
  // A full queue means a full socket: the datagram is lost as it would be a hop further.
  if (room == nullptr) {
    loop.countSendFailed(EAGAIN);
    return;
  }
  std::memcpy(room, bytes.data(), bytes.size());
  queue.appendTo(path, peer, trafficClass, {room, bytes.size()}, false);
}

/** Takes away what the probe saw fail. The TUN has TSO for both families or for none, and USO. */
void restrict(OffloadSwitches& switches, const kernel::OffloadProbe& probe) {
  using kernel::Offload;
  const auto keep = [&probe](bool& allowed, Offload offload) {
    allowed = allowed && probe.usable(offload);
  };
  keep(switches.tunTcp, Offload::tso4);
  keep(switches.tunTcp, Offload::tso6);
  keep(switches.tunUdp, Offload::uso4);
  keep(switches.tunUdp, Offload::uso6);
  keep(switches.join.tcp4, Offload::joinedTcp4);
  keep(switches.join.tcp6, Offload::joinedTcp6);
  keep(switches.join.udp4, Offload::joinedUdp4);
  keep(switches.join.udp6, Offload::joinedUdp6);
  keep(switches.udp[0].segment, Offload::segment4);
  keep(switches.udp[1].segment, Offload::segment6);
  keep(switches.udp[0].gro, Offload::gro4);
  keep(switches.udp[1].gro, Offload::gro6);
}

}  // namespace

int Device::open(DeviceOptions options, std::unique_ptr<Device>& out, std::string& reason) {
  std::unique_ptr<Device> device(new Device);
  const int opened = device->openLoops(options, reason);
  if (opened < 0) return opened;
  for (const auto& loop : device->loops_) {
    pthread_t thread;
    if (const int error = startThread(*loop, device->threads_.size(), thread); error != 0) {
      return -error;
    }
    device->threads_.push_back(thread);
  }
  out = std::move(device);
  return 0;
}

int Device::openLoops(DeviceOptions& options, std::string& reason) {
  if (options.queues < 1 || options.queues > kMaxQueues) return -EINVAL;
  if (options.tunFd >= 0) options.queues = 1;
  offloadProbe_ = options.pair ? "not asked: a socket pair" : "";
  for (uint32_t queue = 0; queue < options.queues; queue++) {
    // A cipher's working state is one thread's.
    cipher::Chosen chosen = cipher::choose(options.cipher);
    if (chosen.backend == nullptr) {
      reason = chosen.note;
      return -ENOSYS;
    }
    cipherNote_ = chosen.note;
    kernel::Tun tun;
    if (const int opened = openTun(options, queue, tun); opened < 0) return opened;
    if (queue == 0) name_ = tun.name();
    if (offloadProbe_.empty()) {
      const kernel::OffloadProbe& probe = kernel::probeOffloads();
      restrict(options.switches, probe);
      offloadProbe_ = probe.verdict();
    }
    loops_.push_back(std::make_unique<Loop>(std::move(tun), std::move(chosen.backend),
                                            options.switches, options.seed, options.wake,
                                            queue == 0));
  }
  // Best effort: where it fails, a full super-packet goes out as two sends instead of one.
  if (options.tunFd < 0 && !options.pair) kernel::limitSuperPackets(name_, kSuperPacketBytes);
  std::vector<Loop*> crew;
  for (const auto& loop : loops_) crew.push_back(loop.get());
  // The leader last: it has news for the others at once.
  for (size_t queue = loops_.size(); queue-- > 0;) {
    if (loops_.size() > 1) loops_[queue]->join(crew, static_cast<uint32_t>(queue));
    if (const int error = loops_[queue]->prepare(); error != 0) return -error;
  }
  return 0;
}

int Device::openTun(const DeviceOptions& options, uint32_t queue, kernel::Tun& out) {
  if (options.pair) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
      return -errno;
    }
    // As much as a TUN holds: a test must not lose packets because it reads late.
    for (const int end : ends) {
      if (setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &kPairBufferBytes, sizeof kPairBufferBytes) <
          0) {
        setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kPairBufferBytes, sizeof kPairBufferBytes);
      }
    }
    kernel::Tun::adoptPair(sys::UniqueFd(ends[0]), options.pairVnet, out);
    pairEnds_.emplace_back(ends[1]);
    return 0;
  }
  const char* name = queue == 0 ? options.name.c_str() : name_.c_str();
  const int opened = options.tunFd >= 0 ? kernel::Tun::adopt(options.tunFd, out)
                                        : kernel::Tun::open(name, options.queues > 1, out);
  if (opened < 0 || queue > 0 || options.mtu == 0) return opened;
  return -sys::setLinkMtu(out.fd(), options.mtu);
}

Device::~Device() {
  for (size_t i = 0; i < threads_.size(); i++) loops_[i]->stop();
  for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
}

std::vector<Event> Device::takeEvents() {
  std::vector<Event> events = leader().outbox().take();
  for (size_t i = 1; i < loops_.size(); i++) {
    std::vector<Event> more = loops_[i]->outbox().take();
    std::move(more.begin(), more.end(), std::back_inserter(events));
  }
  return events;
}

int Device::bind(uint16_t port) {
  if (port != 0 && port == port_) {
    leader().post([](Loop& loop) { loop.peers().clearLocalAddresses(); },
                  Loop::Reach::everywhere);
    return port;
  }
  std::vector<kernel::UdpPair> pairs(loops_.size());
  const int bound = kernel::openUdpPairs(port, mark_, pairs);
  if (bound < 0) return bound;
  setSockets(pairs);
  port_ = static_cast<uint16_t>(bound);
  return bound;
}

void Device::unbind() {
  std::vector<kernel::UdpPair> none(loops_.size());
  setSockets(none);
  port_ = 0;
}

/** Waits, so that the old port is free when this returns. */
void Device::setSockets(std::vector<kernel::UdpPair>& pairs) {
  for (size_t i = 0; i < loops_.size(); i++) {
    loops_[i]->call([&pair = pairs[i]](Loop& loop) {
      loop.setSockets(std::move(pair));
      loop.peers().clearLocalAddresses();
    });
  }
}

int Device::setMark(uint32_t mark) {
  mark_ = mark;
  int outcome = 0;
  callAll([&](Loop& loop) {
    for (const uint8_t family : kFamilies) {
      const kernel::UdpSocket& socket = loop.queue().sockets().of(family);
      if (socket.fd) outcome = std::min(outcome, socket.setMark(mark));
    }
    loop.peers().clearLocalAddresses();
    loop.queue().setMark(mark);
  });
  return outcome;
}

void Device::callAll(const Loop::Command& command) {
  for (const auto& loop : loops_) loop->call(command);
}

void Device::setLocalPublicKey(std::optional<std::array<uint8_t, 32>> publicKey) {
  std::optional<packet::Mac1Key> key;
  if (publicKey) key = packet::mac1Key(*publicKey);
  leader().post([key](Loop& loop) { loop.receiver().gate().setKey(key); },
                Loop::Reach::everywhere);
}

void Device::addPeer(PeerRef peer) {
  leader().post([peer](Loop& loop) { loop.peers().add(peer); }, Loop::Reach::everywhere);
}

void Device::removePeer(PeerRef peer) {
  leader().post([peer](Loop& loop) { loop.peers().remove(peer); }, Loop::Reach::everywhere);
}

void Device::withPeer(PeerRef ref, std::function<void(Loop&, Peer&)> command) {
  leader().post(
      [ref, command = std::move(command)](Loop& loop) {
        if (Peer* peer = loop.peers().find(ref)) command(loop, *peer);
      },
      Loop::Reach::everywhere);
}

void Device::setPath(PeerRef ref, const packet::PathRecord& path) {
  withPeer(ref, [path](Loop&, Peer& peer) { peer.setPath(path); });
}

void Device::clearLocalAddress(PeerRef ref) {
  withPeer(ref, [](Loop&, Peer& peer) { peer.clearLocalAddress(); });
}

void Device::changeAllowedIps(PeerRef ref, bool replace, std::vector<AllowedIp> remove,
                              std::vector<AllowedIp> add) {
  withPeer(ref, [replace, remove = std::move(remove), add = std::move(add)](Loop& loop,
                                                                            Peer& peer) {
    packet::AllowedIps& table = loop.peers().allowedIps();
    const uint32_t slot = peer.ref.slot;
    if (replace) table.removePeer(slot);
    for (const auto& entry : add) table.insert(entry.version, entry.prefix, entry.length, slot);
    for (const auto& entry : remove) {
      table.remove(entry.version, entry.prefix, entry.length, slot);
    }
  });
}

void Device::installKeys(PeerRef ref, const NewSession& session,
                         std::span<const uint8_t, 32> sendKey,
                         std::span<const uint8_t, 32> receiveKey) {
  // The keys wait for the engine's thread in locked memory too.
  auto keys = std::make_shared<kernel::LockedMapping>(2 * packet::kKeyBytes);
  if (keys->data() == nullptr) return;
  std::memcpy(keys->data(), sendKey.data(), packet::kKeyBytes);
  std::memcpy(keys->data() + packet::kKeyBytes, receiveKey.data(), packet::kKeyBytes);
  NewSession shared = session;
  shared.sendCounter = std::make_shared<SendCounter>(0);
  withPeer(ref, [shared, keys](Loop& loop, Peer& peer) {
    using Key = std::span<const uint8_t, packet::kKeyBytes>;
    if (!loop.peers().install(peer, shared, Key(keys->data(), packet::kKeyBytes),
                              Key(keys->data() + packet::kKeyBytes, packet::kKeyBytes))) {
      return;
    }
    if (shared.initiator) greet(loop, peer);
  });
}

void Device::expireKeys(PeerRef ref) {
  withPeer(ref, [](Loop& loop, Peer& peer) { loop.peers().expireKeys(peer); });
}

void Device::dropKeys(PeerRef ref) {
  withPeer(ref, [](Loop& loop, Peer& peer) { loop.peers().dropKeys(peer); });
}

void Device::dropStaged(PeerRef ref) {
  withPeer(ref, [](Loop& loop, Peer& peer) { loop.peers().takeStaged(peer); });
}

void Device::sendKeepalive(PeerRef ref) {
  withPeer(ref, greet);
}

void Device::sendToPeer(PeerRef ref, std::span<const uint8_t> bytes, uint8_t trafficClass) {
  leader().post([ref, trafficClass, copy = std::vector(bytes.begin(), bytes.end())](Loop& loop) {
    const Peer* peer = loop.peers().find(ref);
    if (peer == nullptr) return;
    if (peer->path.family == 0) {
      loop.countDrop(Drop::noEndpoint);
      return;
    }
    sendControl(loop, peer->path, ref, copy, trafficClass);
  });
}

void Device::sendTo(const packet::PathRecord& path, std::span<const uint8_t> bytes,
                    uint8_t trafficClass) {
  leader().post([path, trafficClass, copy = std::vector(bytes.begin(), bytes.end())](Loop& loop) {
    sendControl(loop, path, {packet::kNoPeer, 0}, copy, trafficClass);
  });
}

void Device::countControlReceived(PeerRef ref, uint64_t bytes) {
  leader().post([ref, bytes](Loop& loop) {
    if (Peer* peer = loop.peers().find(ref)) peer->receivedBytes += bytes;
  });
}

Traffic Device::traffic(PeerRef ref) {
  Traffic traffic;
  callAll([&](Loop& loop) {
    // What was sent before the question is in the answer.
    loop.queue().flush(loop.nowNs());
    const Peer* peer = loop.peers().find(ref);
    if (peer == nullptr) return;
    traffic.receivedBytes += peer->receivedBytes;
    traffic.sentBytes += peer->sentBytes;
    if (!loop.leads()) return;
    traffic.known = true;
    traffic.path = peer->path;
    if (const Session* session = peer->keys.current()) {
      traffic.hasSession = true;
      traffic.suite = session->suite;
      traffic.createdNs = session->createdNs;
    }
  });
  return traffic;
}

Stats Device::stats() {
  Stats stats;
  leader().call([&](Loop& loop) {
    stats.cipher = loop.cipher().name();
    const kernel::TunOffloads& offloads = loop.tun().offloads();
    stats.vnetHeader = offloads.vnetHeader;
    stats.tunTcp = offloads.tcp;
    stats.tunUdp = offloads.udp;
    const kernel::UdpPair& sockets = loop.queue().sockets();
    stats.udpGro = {sockets.v4.gro, sockets.v6.gro};
    stats.linkWatched = loop.linkWatched();
  });
  stats.joinTcp = stats.joinUdp = stats.udpSegment = {true, true};
  stats.keysLocked = true;
  callAll([&](Loop& loop) {
    // What was sent before the question is in the answer.
    loop.queue().flush(loop.nowNs());
    stats.counters.add(loop.counters());
    const packet::CoalescerFeatures& join = loop.receiver().features();
    stats.joinTcp.restrict(join.tcp4, join.tcp6);
    stats.joinUdp.restrict(join.udp4, join.udp6);
    stats.udpSegment.restrict(loop.queue().segmenting(4), loop.queue().segmenting(6));
    stats.keysLocked = stats.keysLocked && loop.peers().keysLocked();
  });
  stats.queues = static_cast<uint32_t>(loops_.size());
  stats.cipherNote = cipherNote_;
  stats.offloadProbe = offloadProbe_;
  return stats;
}

bool Device::pairWrite(std::span<const uint8_t> packet, uint32_t queue) {
  return send(pairEnds_[queue].get(), packet.data(), packet.size(), 0) >= 0;
}

std::optional<std::vector<uint8_t>> Device::pairRead(uint32_t queue) {
  std::vector<uint8_t> packet(packet::kVnetHeaderBytes + packet::kMaxDatagramBytes);
  const ssize_t bytes = recv(pairEnds_[queue].get(), packet.data(), packet.size(), 0);
  if (bytes < 0) return std::nullopt;
  packet.resize(static_cast<size_t>(bytes));
  return packet;
}

void Device::pairLink(bool up, uint32_t mtu) {
  leader().post([up, mtu](Loop& loop) { loop.tellLink(up, mtu); });
}

void Device::pairReport() {
  callAll([](Loop& loop) { loop.peers().reportActivity(); });
}

void Device::pairFaults(const kernel::Faults& faults) {
  leader().post([faults](Loop& loop) { loop.setFaults(faults); }, Loop::Reach::everywhere);
}

}  // namespace beam::core
