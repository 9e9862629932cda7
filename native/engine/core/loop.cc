#include "core/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <semaphore>

#include "../../sys/tun.h"
#include "core/limits.h"
#include "sys/clock.h"

namespace beam::core {
namespace {

constexpr int kMaxEvents = 8;
/** How long reports wait for JavaScript before they are offered again. */
constexpr int kBusyRetryMs = 10;

}  // namespace

Loop::Loop(kernel::Tun tun, std::unique_ptr<packet::CipherBackend> cipher,
           OffloadSwitches switches, uint64_t seed, std::function<void()> wake, bool leads)
    : tun_(std::move(tun)),
      cipher_(std::move(cipher)),
      outbox_(std::move(wake), leads),
      peers_(*cipher_, outbox_),
      queue_(peers_, counters_, outbox_),
      transmitter_(tun_, peers_, queue_, *cipher_, counters_),
      receiver_(tun_, peers_, queue_, *cipher_, counters_, outbox_, *this, seed) {
  for (const uint8_t family : kFamilies) {
    const UdpOffloads& udp = switches.udp[family == 4 ? 0 : 1];
    queue_.allow(family, {switches.udpSegment && udp.segment, switches.udpGro && udp.gro});
  }
  if (tun_.setOffloads(switches.tunTcp, switches.tunUdp) != 0 &&
      tun_.setOffloads(switches.tunTcp, false) != 0) {
    tun_.setOffloads(false, false);
  }
  const kernel::TunOffloads& offloads = tun_.offloads();
  const packet::CoalescerFeatures& join = switches.join;
  receiver_.setFeatures({offloads.tcp && join.tcp4, offloads.tcp && join.tcp6,
                         offloads.udp && join.udp4, offloads.udp && join.udp6});
}

void Loop::join(const std::vector<Loop*>& crew, uint32_t which) {
  crew_ = crew;
  receiver_.setShare(which, static_cast<uint32_t>(crew.size()));
}

int Loop::prepare() {
  nowNs_ = kernel::bootNs();
  epoll_ = sys::UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return errno;
  wakeup_ = sys::UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wakeup_) return errno;
  if (!watch(wakeup_.get(), kCommands, EPOLLIN) || !watch(tun_.fd(), kTun, EPOLLIN)) return errno;
  if (leads()) {
    openLink();
  } else {
    linkPollAtNs_ = kNever;
  }
  outbox_.publish();
  return 0;
}

bool Loop::watch(int fd, uint32_t source, uint32_t events) {
  epoll_event event{.events = events, .data = {.u32 = source}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Loop::rewatch(int fd, uint32_t source, uint32_t events) {
  epoll_event event{.events = events, .data = {.u32 = source}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

void Loop::run() {
  epoll_event events[kMaxEvents];
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = epoll_wait(epoll_.get(), events, kMaxEvents, timeoutMs());
    nowNs_ = kernel::bootNs();
    for (int i = 0; i < count; i++) handle(events[i].data.u32, events[i].events);
    if (nowNs_ >= linkPollAtNs_) pollLink();
    if (nowNs_ >= peers_.nextReportNs() && outbox_.idle()) peers_.reportActivity();
    holdTun();
    outbox_.publish();
  }
}

int Loop::timeoutMs() const {
  uint64_t next = std::min(linkPollAtNs_, peers_.nextReportNs());
  if (next == kNever) return -1;
  if (next > nowNs_) return static_cast<int>((next - nowNs_) / 1'000'000 + 1);
  // Due, and JavaScript hasn't taken the last batch yet.
  return kBusyRetryMs;
}

void Loop::handle(uint32_t source, uint32_t events) {
  switch (source) {
    case kCommands:
      runCommands();
      break;
    case kTun:
      pumpTun();
      break;
    case kUdp4:
      pumpUdp(4, events);
      break;
    case kUdp6:
      pumpUdp(6, events);
      break;
    case kLink:
      readLink();
      break;
  }
}

void Loop::pumpUdp(uint8_t family, uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    queue_.unblock(family);
    queue_.flush(nowNs_);
  }
  if ((events & (EPOLLIN | EPOLLERR)) != 0) receiver_.pump(family, nowNs_);
}

void Loop::pumpTun() {
  if (!tunOpen_) return;
  const int error = transmitter_.pump(nowNs_);
  if (error == 0 || error == EAGAIN) return;
  if (!tun_.attached()) {
    closeTun();
  } else if (error == EIO || error == EINVAL) {
    readOffloadFailed();
  }
}

/** The kernel could not hand a super-packet over: USO, the younger one, goes first, then TSO. */
void Loop::readOffloadFailed() {
  const bool udp = tun_.offloads().udp;
  if (!udp && !tun_.offloads().tcp) return;
  tun_.setOffloads(udp, false);
  outbox_.add({.kind = EventKind::notice,
               .text = udp ? "reading from the TUN failed: USO switched off"
                           : "reading from the TUN failed: TSO switched off"});
}

/** While a socket is full nothing is read from the TUN: the system holds its senders back. */
void Loop::holdTun() {
  const uint32_t blocked = (queue_.blocked(4) ? 1u : 0u) | (queue_.blocked(6) ? 2u : 0u);
  if (blocked == held_) return;
  held_ = blocked;
  if (tunOpen_) rewatch(tun_.fd(), kTun, blocked != 0 ? 0u : uint32_t{EPOLLIN});
  for (const uint8_t family : kFamilies) {
    const kernel::UdpSocket& socket = queue_.sockets().of(family);
    const uint32_t out = queue_.blocked(family) ? uint32_t{EPOLLOUT} : 0u;
    if (socket.fd) rewatch(socket.fd.get(), family == 4 ? kUdp4 : kUdp6, EPOLLIN | out);
  }
}

void Loop::setSockets(kernel::UdpPair sockets) {
  queue_.unblock(4);
  queue_.unblock(6);
  // Closing a descriptor takes it out of epoll.
  queue_.setSockets(std::move(sockets));
  for (const uint8_t family : kFamilies) {
    const kernel::UdpSocket& socket = queue_.sockets().of(family);
    if (socket.fd) watch(socket.fd.get(), family == 4 ? kUdp4 : kUdp6, EPOLLIN);
  }
  queue_.flush(nowNs_);
}

// The link.

void Loop::openLink() {
  if (tun_.isPair()) {
    linkPollAtNs_ = kNever;
    return;
  }
  linkPollAtNs_ = nowNs_ + kLinkPollNs;
  auto opened = sys::LinkWatch::open(netlink_, tun_.fd(), true);
  if (!opened.ok()) {
    // The descriptor alone says whether packets pass, but not the MTU.
    tellLink(sys::isTunUp(tun_.fd()), linkMtu_);
    return;
  }
  link_ = std::move(opened.value);
  const sys::LinkState state = link_.state();
  tellLink(state.up, state.mtu);
  if (link_.fd() >= 0 && watch(link_.fd(), kLink, EPOLLIN)) linkPollAtNs_ = kNever;
}

void Loop::readLink() {
  const sys::LinkChanges changes = link_.read(netlink_);
  for (size_t i = 0; i < changes.count; i++) {
    tellLink(changes.states[i].up, changes.states[i].mtu);
  }
  if (!changes.left) return;
  // Moved to another namespace, or deleted.
  link_ = {};
  pollLink();
}

void Loop::pollLink() {
  linkPollAtNs_ = kNever;
  if (!tunOpen_) return;
  if (!tun_.attached()) {
    closeTun();
    return;
  }
  openLink();
}

void Loop::tellLink(bool up, uint32_t mtu) {
  if (linkTold_ && up == linkUp_ && mtu == linkMtu_) return;
  linkTold_ = true;
  linkUp_ = up;
  linkMtu_ = mtu;
  applyLink(up, mtu);
  passOn([up, mtu](Loop& loop) { loop.applyLink(up, mtu); });
  outbox_.add({.kind = EventKind::linkChanged, .up = up, .mtu = mtu});
}

void Loop::applyLink(bool up, uint32_t mtu) {
  transmitter_.setMtu(mtu);
  receiver_.setUp(up);
}

void Loop::closeTun() {
  tunOpen_ = false;
  link_ = {};
  linkPollAtNs_ = kNever;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun_.fd(), nullptr);
  outbox_.add({.kind = EventKind::tunClosed});
}

// What packets change.

void Loop::roamed(Peer& peer, const packet::PathRecord& path) {
  if (!leads()) {
    if (peer.toldPath == path) return;
    peer.toldPath = path;
    crew_.front()->enqueue([ref = peer.ref, path](Loop& leader) {
      if (Peer* known = leader.peers_.find(ref)) leader.roamed(*known, path);
    });
    return;
  }
  if (!(peer.path == path)) {
    peer.setPath(path);
    outbox_.add({.kind = EventKind::roamed, .peer = peer.ref, .path = path});
  }
  passOn([ref = peer.ref, path](Loop& loop) {
    if (Peer* known = loop.peers_.find(ref)) known->setPath(path);
  });
}

void Loop::confirmed(Peer& peer, Session& session) {
  if (leads()) {
    confirm(peer);
    passOn([ref = peer.ref, index = session.localIndex](Loop& loop) {
      Peer* known = loop.peers_.find(ref);
      const Session* next = known == nullptr ? nullptr : known->keys.next();
      if (next != nullptr && next->localIndex == index) loop.confirm(*known);
    });
    return;
  }
  if (session.confirmTold) return;
  session.confirmTold = true;
  crew_.front()->enqueue([ref = peer.ref, index = session.localIndex](Loop& leader) {
    Peer* known = leader.peers_.find(ref);
    Session* next = known == nullptr ? nullptr : known->keys.next();
    if (next != nullptr && next->localIndex == index) leader.confirmed(*known, *next);
  });
}

void Loop::confirm(Peer& peer) {
  peers_.confirm(peer);
  transmitter_.sendStaged(peer, nowNs_);
}

void Loop::worn(Session& session) {
  const uint32_t index = session.localIndex;
  const PeerRef ref = session.peer->ref;
  if (!leads()) {
    if (session.wornTold) return;
    session.wornTold = true;
    crew_.front()->enqueue([ref, index](Loop& leader) {
      Session* known = leader.peers_.session(index);
      if (known != nullptr && known->peer->ref == ref) leader.worn(*known);
    });
    return;
  }
  Peer& peer = *session.peer;
  if (peers_.dropSession(session)) peers_.needKeys(peer, nowNs_);
  passOn([ref, index](Loop& loop) {
    Session* known = loop.peers_.session(index);
    if (known != nullptr && known->peer->ref == ref) loop.peers_.dropSession(*known);
  });
}

bool Loop::handOver(uint32_t share, std::span<const uint8_t> datagram,
                    const kernel::ReceivedMessage& message) {
  Loop& other = *crew_[share];
  if (other.handedOver_.fetch_add(1, std::memory_order_relaxed) >= kMaxHandedOver) {
    other.handedOver_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  other.enqueue([copy = std::vector(datagram.begin(), datagram.end()), path = message.path,
                 trafficClass = message.trafficClass](Loop& loop) mutable {
    loop.handedOver_.fetch_sub(1, std::memory_order_relaxed);
    loop.receiver_.takeOver({copy, 0, path, trafficClass}, loop.nowNs_);
  });
  return true;
}

// Commands.

void Loop::runCommands() {
  uint64_t count;
  [[maybe_unused]] const ssize_t bytes = read(wakeup_.get(), &count, sizeof count);
  std::vector<Order> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(commands_);
  }
  drained_.notify_all();
  for (const Order& order : taken) {
    // The others first: what a command sends here may be answered there.
    if (order.reach == Reach::everywhere) passOn(order.command);
    order.command(*this);
  }
  queue_.flush(nowNs_);
}

void Loop::passOn(const Command& command) {
  for (size_t i = 1; i < crew_.size(); i++) crew_[i]->enqueue(command);
}

void Loop::enqueue(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back({std::move(command), Reach::here});
    if (commands_.size() > 1) return;
  }
  wake();
}

void Loop::post(Command command, Reach reach) {
  {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [this] { return commands_.size() < kMaxQueuedCommands; });
    commands_.push_back({std::move(command), reach});
    if (commands_.size() > 1) return;
  }
  wake();
}

void Loop::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wakeup_.get(), &one, sizeof one);
}

void Loop::call(const Command& command) {
  std::binary_semaphore done(0);
  post([&](Loop& loop) {
    command(loop);
    done.release();
  });
  done.acquire();
}

void Loop::stop() {
  post([](Loop& loop) { loop.stopping_.store(true, std::memory_order_release); });
}

}  // namespace beam::core
