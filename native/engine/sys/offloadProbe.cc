#include "sys/offloadProbe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <vector>

#include "../../sys/fd.h"
#include "sys/probePackets.h"
#include "sys/tun.h"

namespace beam::kernel {
namespace {

using packet::VnetHeader;
using Answer = OffloadProbe::Answer;

constexpr const char* kName = "probe0";
constexpr int kWaitMs = 200;
constexpr uint8_t kVersions[] = {4, 6};

/** linux/ipv6.h's in6_ifreq; that header and netinet/in.h don't go together. */
struct AddressRequest6 {
  in6_addr address;
  uint32_t prefixBits;
  int interfaceIndex;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address addressOf(uint8_t version, const void* host, uint16_t port) {
  Address result;
  if (version == 4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    memcpy(&address.sin_addr, host, 4);
    memcpy(&result.storage, &address, sizeof address);
    result.bytes = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    memcpy(&address.sin6_addr, host, 16);
    memcpy(&result.storage, &address, sizeof address);
    result.bytes = sizeof address;
  }
  return result;
}

Address probeAddress(uint8_t version, uint8_t host, uint16_t port) {
  std::array<uint8_t, 16> bytes = kProbeNet6;
  if (version == 4) std::copy(kProbeNet4.begin(), kProbeNet4.end(), bytes.begin());
  bytes[version == 4 ? 3 : 15] = host;
  return addressOf(version, bytes.data(), port);
}

Address loopback(uint8_t version, uint16_t port) {
  const in_addr four{htonl(INADDR_LOOPBACK)};
  return version == 4 ? addressOf(4, &four, port) : addressOf(6, &in6addr_loopback, port);
}

bool bringUp(int socket, const char* name) {
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(socket, SIOCSIFFLAGS, &request) == 0;
}

bool addAddress4(int socket) {
  ifreq request{};
  strncpy(request.ifr_name, kName, IFNAMSIZ - 1);
  const Address own = probeAddress(4, kOurHost, 0);
  memcpy(&request.ifr_addr, &own.storage, sizeof request.ifr_addr);
  if (ioctl(socket, SIOCSIFADDR, &request) < 0) return false;
  const in_addr bits{htonl(0xffffff00)};
  const Address mask = addressOf(4, &bits, 0);
  memcpy(&request.ifr_netmask, &mask.storage, sizeof request.ifr_netmask);
  return ioctl(socket, SIOCSIFNETMASK, &request) == 0;
}

sys::UniqueFd boundSocket(uint8_t version, const Address& own) {
  const int family = version == 4 ? AF_INET : AF_INET6;
  sys::UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || bind(fd.get(), own.get(), own.bytes) < 0) return {};
  return fd;
}

bool addAddress6() {
  const sys::UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  AddressRequest6 request{{}, 64, static_cast<int>(if_nametoindex(kName))};
  memcpy(&request.address, kProbeNet6.data(), 16);
  request.address.s6_addr[15] = kOurHost;
  if (!socket || ioctl(socket.get(), SIOCSIFADDR, &request) < 0) return false;
  // An address can be used some moments after it was set.
  for (int waitedMs = 0; waitedMs < kWaitMs; waitedMs++) {
    if (boundSocket(6, probeAddress(6, kOurHost, 0))) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

bool readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, kWaitMs) == 1;
}

/** The datagrams of one super-packet, in their sizes. */
bool receivesSegments(int socket) {
  for (uint32_t rest = kProbePayloadBytes; rest > 0;) {
    std::array<uint8_t, 2 * kProbePayloadBytes> buffer;
    if (!readable(socket)) return false;
    const ssize_t bytes = recv(socket, buffer.data(), buffer.size(), 0);
    if (bytes != static_cast<ssize_t>(std::min<uint32_t>(rest, kProbeSegmentBytes))) return false;
    rest -= static_cast<uint32_t>(bytes);
  }
  return true;
}

bool sendSegments(int socket, const Address& remote) {
  const int segment = kProbeSegmentBytes;
  if (setsockopt(socket, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) < 0) return false;
  const std::vector<uint8_t> payload(kProbePayloadBytes, 7);
  return sendto(socket, payload.data(), payload.size(), 0, remote.get(), remote.bytes) ==
         static_cast<ssize_t>(payload.size());
}

/** All of it at once, with the size of the segments. */
bool receivesJoined(int socket) {
  std::array<uint8_t, 2 * kProbePayloadBytes> buffer;
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<uint8_t, 64> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (!readable(socket) || recvmsg(socket, &message, 0) != ssize_t{kProbePayloadBytes}) return false;
  const cmsghdr* first = CMSG_FIRSTHDR(&message);
  int segment = 0;
  if (first == nullptr || first->cmsg_level != IPPROTO_UDP || first->cmsg_type != UDP_GRO) {
    return false;
  }
  memcpy(&segment, CMSG_DATA(first), sizeof segment);
  return segment == kProbeSegmentBytes;
}

/** UDP_SEGMENT and UDP_GRO between two sockets on loopback. */
void probeSockets(OffloadProbe& probe, uint8_t version) {
  const sys::UniqueFd from = boundSocket(version, loopback(version, 0));
  const sys::UniqueFd to = boundSocket(version, loopback(version, 0));
  Address own;
  own.bytes = sizeof own.storage;
  if (!from || !to ||
      getsockname(to.get(), reinterpret_cast<sockaddr*>(&own.storage), &own.bytes) < 0) {
    return;
  }
  // Where not even a plain datagram comes through, nothing can be learned.
  uint8_t one = 1;
  if (sendto(from.get(), &one, 1, 0, own.get(), own.bytes) != 1 || !readable(to.get()) ||
      recv(to.get(), &one, 1, 0) != 1) {
    return;
  }
  const bool segments = sendSegments(from.get(), own) && receivesSegments(to.get());
  const bool six = version == 6;
  probe.answers[static_cast<size_t>(six ? Offload::segment6 : Offload::segment4)] =
      segments ? Answer::passed : Answer::failed;
  if (!segments) return;
  const int on = 1;
  const bool gro = setsockopt(to.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0 &&
                   sendSegments(from.get(), own) && receivesJoined(to.get());
  probe.answers[static_cast<size_t>(six ? Offload::gro6 : Offload::gro4)] =
      gro ? Answer::passed : Answer::failed;
}

class TunProbe {
 public:
  explicit TunProbe(Tun& tun) : tun_(tun) {}

  void run(OffloadProbe& probe, uint8_t version) {
    const auto note = [&](Offload four, bool passed) {
      const size_t at = static_cast<size_t>(four) + (version == 6 ? 1 : 0);
      probe.answers[at] = passed ? Answer::passed : Answer::failed;
    };
    note(Offload::joinedTcp4, tun_.setOffloads(true, false) == 0 && takesJoinedTcp(version));
    note(Offload::tso4, givesTcp(version));
    const bool udp = tun_.setOffloads(true, true) == 0;
    note(Offload::joinedUdp4, udp && takesJoinedUdp(version));
    note(Offload::uso4, udp && givesUdp(version));
  }

 private:
  bool write(const ProbePacket& packet) {
    VnetHeader vnet = packet.vnet;
    auto* bytes = const_cast<uint8_t*>(packet.bytes.data());
    const std::array<iovec, 2> parts{{{&vnet, sizeof vnet}, {bytes, packet.bytes.size()}}};
    return tun_.write(parts) == 0;
  }

  /** The next packet of that kind that the system sends; the others are not ours. */
  std::optional<SeenPacket> next(uint8_t version, uint8_t protocol) {
    while (readable(tun_.fd())) {
      std::array<uint8_t, 2 * kProbePayloadBytes> buffer;
      const int bytes = tun_.read(buffer);
      if (bytes < static_cast<int>(sizeof(VnetHeader))) return std::nullopt;
      VnetHeader vnet;
      memcpy(&vnet, buffer.data(), sizeof vnet);
      const auto seen =
          seePacket(vnet, std::span(buffer).first(static_cast<size_t>(bytes)).subspan(sizeof vnet));
      if (seen && seen->version == version && seen->protocol == protocol) return seen;
    }
    return std::nullopt;
  }

  /** Nobody listens there: a reset acknowledges all that the TCP layer got. */
  bool takesJoinedTcp(uint8_t version) {
    if (!write(joinedTcp(version))) return false;
    while (const auto seen = next(version, packet::kProtocolTcp)) {
      if ((seen->flags & kTcpRst) != 0) return seen->acknowledged == 1 + kProbePayloadBytes;
    }
    return false;
  }

  bool takesJoinedUdp(uint8_t version) {
    const sys::UniqueFd socket =
        boundSocket(version, probeAddress(version, kOurHost, kProbePort));
    return socket && write(joinedUdp(version)) && receivesSegments(socket.get());
  }

  /** The system connects, and its first data come as one super-packet. */
  bool givesTcp(uint8_t version) {
    const int family = version == 4 ? AF_INET : AF_INET6;
    const sys::UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const Address remote = probeAddress(version, kTheirHost, kProbePort);
    // No FIN afterwards that nobody answers.
    const linger reset{1, 0};
    if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0 ||
        (connect(socket.get(), remote.get(), remote.bytes) < 0 && errno != EINPROGRESS)) {
      return false;
    }
    const auto syn = next(version, packet::kProtocolTcp);
    if (!syn || (syn->flags & kTcpSyn) == 0 || !write(acceptTcp(*syn))) return false;
    pollfd connected{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    const std::vector<uint8_t> payload(kProbePayloadBytes, 7);
    if (poll(&connected, 1, kWaitMs) != 1 ||
        send(socket.get(), payload.data(), payload.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(payload.size())) {
      return false;
    }
    const uint8_t type = version == 4 ? packet::kGsoTcp4 : packet::kGsoTcp6;
    while (const auto seen = next(version, packet::kProtocolTcp)) {
      if (seen->payloadBytes == 0) continue;
      return seen->vnet.gsoType == type && seen->vnet.gsoBytes == kProbeSegmentBytes &&
             seen->payloadBytes > kProbeSegmentBytes;
    }
    return false;
  }

  bool givesUdp(uint8_t version) {
    const sys::UniqueFd socket = boundSocket(version, probeAddress(version, kOurHost, 0));
    if (!socket || !sendSegments(socket.get(), probeAddress(version, kTheirHost, kProbePort))) {
      return false;
    }
    const auto seen = next(version, packet::kProtocolUdp);
    return seen && seen->vnet.gsoType == packet::kGsoUdpL4 &&
           seen->vnet.gsoBytes == kProbeSegmentBytes && seen->payloadBytes == kProbePayloadBytes;
  }

  Tun& tun_;
};

std::string failure(const char* what) {
  const char* name = strerrorname_np(errno);
  return std::string(what) + ": " + (name != nullptr ? name : "?");
}

void probeTun(OffloadProbe& probe) {
  const sys::UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Tun tun;
  const int opened = Tun::open(kName, false, tun);
  if (opened < 0) errno = -opened;
  if (!control || opened < 0 || !bringUp(control.get(), kName)) {
    probe.notAsked = failure("no TUN device to ask with");
    return;
  }
  TunProbe questions(tun);
  if (addAddress4(control.get())) questions.run(probe, 4);
  if (addAddress6()) questions.run(probe, 6);
}

/** On a thread of its own, which ends with its namespace. */
void* run(void* result) {
  auto& probe = *static_cast<OffloadProbe*>(result);
  if (unshare(CLONE_NEWNET) == 0) {
    const sys::UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (control) bringUp(control.get(), "lo");
    probeTun(probe);
  } else {
    probe.notAsked = failure("the TUN's need a network namespace of their own");
  }
  // Without one of our own, the two sockets meet on the system's loopback.
  for (const uint8_t version : kVersions) probeSockets(probe, version);
  return nullptr;
}

OffloadProbe askAll() {
  OffloadProbe probe;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, run, &probe) == 0) {
    pthread_join(thread, nullptr);
  } else {
    probe.notAsked = "no thread to ask from";
  }
  return probe;
}

std::string namesOf(const OffloadProbe& probe, Answer answer) {
  std::string names;
  for (size_t i = 0; i < kOffloads; i++) {
    if (probe.answers[i] != answer) continue;
    if (!names.empty()) names += ", ";
    names += kOffloadNames[i];
  }
  return names;
}

}  // namespace

std::string OffloadProbe::verdict() const {
  const std::string failed = namesOf(*this, Answer::failed);
  const std::string silent = namesOf(*this, Answer::notAsked);
  std::string text = failed.empty() ? "passed" : "failed: " + failed;
  if (silent.empty()) return text;
  const std::string reason = notAsked.empty() ? "" : " (" + notAsked + ")";
  return text + "; not asked: " + silent + reason;
}

const OffloadProbe& probeOffloads() {
  static const OffloadProbe answer = askAll();
  return answer;
}

}  // namespace beam::kernel
