#include "core/device.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "core/limits.h"
#include "sys/offloadProbe.h"

namespace beam::core {
namespace {

void* runLoop(void* loop) {
  static_cast<Loop*>(loop)->run();
  return nullptr;
}

/** Signals are Node's: the engine's thread takes none. */
int startThread(Loop& loop, pthread_t& thread) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, nullptr, runLoop, &loop);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_setname_np(thread, "beam-engine");
  return error;
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

int openPair(const DeviceOptions& options, kernel::Tun& tun, sys::UniqueFd& systemEnd) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
    return -errno;
  }
  kernel::Tun::adoptPair(sys::UniqueFd(ends[0]), options.pairVnet, tun);
  systemEnd = sys::UniqueFd(ends[1]);
  return 0;
}

}  // namespace

int Device::open(DeviceOptions options, std::unique_ptr<Device>& out, std::string& reason) {
  cipher::Chosen chosen = cipher::choose(options.cipher);
  if (chosen.backend == nullptr) {
    reason = chosen.note;
    return -ENOSYS;
  }
  kernel::Tun tun;
  sys::UniqueFd pairEnd;
  const int opened = options.pair         ? openPair(options, tun, pairEnd)
                     : options.tunFd >= 0 ? kernel::Tun::adopt(options.tunFd, tun)
                                        : kernel::Tun::open(options.name.c_str(), tun);
  if (opened < 0) return opened;
  if (options.mtu != 0) {
    if (const int error = sys::setLinkMtu(tun.fd(), options.mtu); error != 0) return -error;
  }
  std::string probed = "not possible";
  if (!options.pair) {
    const kernel::OffloadProbe& probe = kernel::probeOffloads();
    if (probe.possible) {
      probed = probe.tunTcp && probe.tunUdp && probe.udpSegment ? "passed" : "failed";
      options.switches.tunTcp = options.switches.tunTcp && probe.tunTcp;
      options.switches.tunUdp = options.switches.tunUdp && probe.tunUdp;
      options.switches.udpSegment = options.switches.udpSegment && probe.udpSegment;
    }
  }
  const std::string name = tun.name();
  // Best effort: where it fails, a full super-packet goes out as two sends instead of one.
  if (options.tunFd < 0 && !options.pair) kernel::limitSuperPackets(name, kSuperPacketBytes);
  auto loop = std::make_unique<Loop>(std::move(tun), std::move(chosen.backend), options.switches,
                                     options.seed, std::move(options.wake));
  if (const int error = loop->prepare(); error != 0) return -error;
  std::unique_ptr<Device> device(new Device(std::move(loop)));
  device->name_ = name;
  device->cipherNote_ = chosen.note;
  device->offloadProbe_ = probed;
  device->pairEnd_ = std::move(pairEnd);
  if (const int error = startThread(*device->loop_, device->thread_); error != 0) {
    device->thread_ = {};
    return -error;
  }
  out = std::move(device);
  return 0;
}

Device::~Device() {
  if (thread_ == pthread_t{}) return;
  loop_->stop();
  pthread_join(thread_, nullptr);
}

int Device::bind(uint16_t port) {
  if (port != 0 && port == port_) {
    loop_->post([](Loop& loop) { loop.peers().clearLocalAddresses(); });
    return port;
  }
  auto pair = std::make_shared<kernel::UdpPair>();
  const int bound = kernel::UdpPair::open(port, mark_, false, *pair);
  if (bound < 0) return bound;
  // Waits, so that the old port is free when this returns.
  loop_->call([pair](Loop& loop) {
    loop.setSockets(std::move(*pair));
    loop.peers().clearLocalAddresses();
  });
  port_ = static_cast<uint16_t>(bound);
  return bound;
}

void Device::unbind() {
  loop_->call([](Loop& loop) { loop.setSockets({}); });
  port_ = 0;
}

int Device::setMark(uint32_t mark) {
  mark_ = mark;
  int outcome = 0;
  loop_->call([&](Loop& loop) {
    for (const uint8_t family : kFamilies) {
      const kernel::UdpSocket& socket = loop.queue().sockets().of(family);
      if (socket.fd) outcome = std::min(outcome, socket.setMark(mark));
    }
    loop.peers().clearLocalAddresses();
    loop.queue().setMark(mark);
  });
  return outcome;
}

void Device::setLocalPublicKey(std::optional<std::array<uint8_t, 32>> publicKey) {
  std::optional<packet::Mac1Key> key;
  if (publicKey) key = packet::mac1Key(*publicKey);
  loop_->post([key](Loop& loop) { loop.receiver().gate().setKey(key); });
}

void Device::addPeer(PeerRef peer) {
  loop_->post([peer](Loop& loop) { loop.peers().add(peer); });
}

void Device::removePeer(PeerRef peer) {
  loop_->post([peer](Loop& loop) { loop.peers().remove(peer); });
}

void Device::withPeer(PeerRef ref, std::function<void(Loop&, Peer&)> command) {
  loop_->post([ref, command = std::move(command)](Loop& loop) {
    if (Peer* peer = loop.peers().find(ref)) command(loop, *peer);
  });
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
  withPeer(ref, [session, keys](Loop& loop, Peer& peer) {
    using Key = std::span<const uint8_t, packet::kKeyBytes>;
    if (!loop.peers().install(peer, session, Key(keys->data(), packet::kKeyBytes),
                              Key(keys->data() + packet::kKeyBytes, packet::kKeyBytes))) {
      return;
    }
    if (session.initiator) loop.transmitter().sendKeepalive(peer, loop.nowNs());
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
  withPeer(ref, [](Loop& loop, Peer& peer) {
    loop.transmitter().sendKeepalive(peer, loop.nowNs());
  });
}

void Device::sendToPeer(PeerRef ref, std::span<const uint8_t> bytes, uint8_t trafficClass) {
  withPeer(ref, [trafficClass, copy = std::vector(bytes.begin(), bytes.end())](Loop& loop,
                                                                              Peer& peer) {
    if (peer.path.family == 0) {
      loop.countDrop(Drop::noEndpoint);
      return;
    }
    sendControl(loop, peer.path, peer.ref, copy, trafficClass);
  });
}

void Device::sendTo(const packet::PathRecord& path, std::span<const uint8_t> bytes,
                    uint8_t trafficClass) {
  loop_->post([path, trafficClass, copy = std::vector(bytes.begin(), bytes.end())](Loop& loop) {
    sendControl(loop, path, {packet::kNoPeer, 0}, copy, trafficClass);
  });
}

void Device::countControlReceived(PeerRef ref, uint64_t bytes) {
  withPeer(ref, [bytes](Loop&, Peer& peer) { peer.receivedBytes += bytes; });
}

Traffic Device::traffic(PeerRef ref) {
  Traffic traffic;
  loop_->call([&](Loop& loop) {
    const Peer* peer = loop.peers().find(ref);
    if (peer == nullptr) return;
    traffic.known = true;
    traffic.receivedBytes = peer->receivedBytes;
    traffic.sentBytes = peer->sentBytes;
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
  loop_->call([&](Loop& loop) {
    stats.counters = loop.counters();
    stats.cipher = loop.cipher().name();
    const kernel::TunOffloads& offloads = loop.tun().offloads();
    stats.vnetHeader = offloads.vnetHeader;
    stats.tunTcp = offloads.tcp;
    stats.tunUdp = offloads.udp;
    stats.joinTcp = loop.receiver().features().tcp4;
    stats.joinUdp = loop.receiver().features().udp4;
    const kernel::UdpPair& sockets = loop.queue().sockets();
    stats.udpSegment = loop.queue().segmenting();
    stats.udpGro = sockets.v4.gro || sockets.v6.gro;
    stats.keysLocked = loop.peers().keysLocked();
    stats.linkWatched = loop.linkWatched();
  });
  stats.cipherNote = cipherNote_;
  stats.offloadProbe = offloadProbe_;
  return stats;
}

bool Device::pairWrite(std::span<const uint8_t> packet) {
  return send(pairEnd_.get(), packet.data(), packet.size(), 0) >= 0;
}

std::optional<std::vector<uint8_t>> Device::pairRead() {
  std::vector<uint8_t> packet(packet::kVnetHeaderBytes + packet::kMaxDatagramBytes);
  const ssize_t bytes = recv(pairEnd_.get(), packet.data(), packet.size(), 0);
  if (bytes < 0) return std::nullopt;
  packet.resize(static_cast<size_t>(bytes));
  return packet;
}

void Device::pairLink(bool up, uint32_t mtu) {
  loop_->post([up, mtu](Loop& loop) { loop.tellLink(up, mtu); });
}

void Device::pairReport() {
  loop_->call([](Loop& loop) { loop.peers().reportActivity(); });
}

void Device::pairFaults(const kernel::Faults& faults) {
  loop_->post([faults](Loop& loop) { loop.setFaults(faults); });
}

}  // namespace beam::core
