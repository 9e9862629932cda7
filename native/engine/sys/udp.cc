#include "sys/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>

#include "packet/wire.h"

namespace beam::kernel {
namespace {

/** Chosen: some milliseconds of a full link, little enough to keep latency bounded. */
constexpr int kReceiveBufferBytes = 4 << 20;
constexpr int kSendBufferBytes = 2 << 20;
/** As many tries as wireguard-go makes for one port that is free in both families. */
constexpr int kFreePortTries = 100;

int setInt(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

/** Past the system's limit where that is allowed, up to it where not. */
void setBuffer(int fd, int forced, int plain, int bytes) {
  if (setInt(fd, SOL_SOCKET, forced, bytes) != 0) setInt(fd, SOL_SOCKET, plain, bytes);
}

int bindFamily(int fd, uint8_t family, uint16_t port) {
  if (family == 4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? -errno : 0;
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? -errno : 0;
}

/** Datagrams are never refused for the path's MTU: they go out in fragments, as the kernel's do. */
void setFamilyOptions(int fd, uint8_t family) {
  if (family == 4) {
    setInt(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    setInt(fd, IPPROTO_IP, IP_PKTINFO, 1);
    setInt(fd, IPPROTO_IP, IP_RECVTOS, 1);
  } else {
    setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    setInt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    setInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    setInt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  }
}

bool familyMissing(int error) {
  return error == -EAFNOSUPPORT || error == -EPROTONOSUPPORT || error == -EADDRNOTAVAIL;
}

bool isLinkLocal(const std::array<uint8_t, 16>& address) {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

template <typename T>
T controlValue(const cmsghdr* control) {
  T value;
  memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

template <typename T>
cmsghdr* putControl(msghdr& message, cmsghdr* at, int level, int type, const T& value) {
  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN(sizeof value);
  memcpy(CMSG_DATA(at), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
  return reinterpret_cast<cmsghdr*>(reinterpret_cast<uint8_t*>(at) + CMSG_SPACE(sizeof value));
}

}  // namespace

int UdpSocket::open(uint8_t family, uint16_t port, uint32_t mark, bool reusePort,
                    UdpSocket& out) {
  sys::UniqueFd fd(socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return -errno;
  setFamilyOptions(fd.get(), family);
  if (reusePort) setInt(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  setBuffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBufferBytes);
  setBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferBytes);
  const int bound = bindFamily(fd.get(), family, port);
  if (bound < 0) return bound;
  out.gro = setInt(fd.get(), IPPROTO_UDP, UDP_GRO, 1) == 0;
  out.segment = setInt(fd.get(), IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
  out.fd = std::move(fd);
  return mark == 0 ? 0 : out.setMark(mark);
}

int UdpSocket::port() const {
  sockaddr_in6 address{};
  socklen_t bytes = sizeof address;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &bytes) < 0) return -errno;
  // The port stands at the same place for both families.
  return ntohs(address.sin6_port);
}

int UdpSocket::setMark(uint32_t mark) const {
  return setInt(fd.get(), SOL_SOCKET, SO_MARK, static_cast<int>(mark));
}

void UdpSocket::stopGro() {
  if (fd) setInt(fd.get(), IPPROTO_UDP, UDP_GRO, 0);
  gro = false;
}

int UdpPair::open(uint16_t port, uint32_t mark, bool reusePort, UdpPair& out) {
  for (int tries = 0;; tries++) {
    UdpPair pair;
    const int four = UdpSocket::open(4, port, mark, reusePort, pair.v4);
    if (four < 0 && !familyMissing(four)) return four;
    const int chosen = four < 0 ? port : pair.v4.port();
    if (chosen < 0) return chosen;
    const int six =
        UdpSocket::open(6, static_cast<uint16_t>(chosen), mark, reusePort, pair.v6);
    if (six < 0 && !familyMissing(six)) {
      if (six == -EADDRINUSE && port == 0 && tries < kFreePortTries) continue;
      return six;
    }
    if (four < 0 && six < 0) return four;
    const int bound = four < 0 ? pair.v6.port() : chosen;
    out = std::move(pair);
    return bound;
  }
}

namespace {

/**
 * The filter's result is the index of a socket in the order in which they were bound (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF); it sees the UDP payload.
 */
int attachFilter(int fd, uint32_t queues) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, packet::kMessageTransport, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(packet::TransportHeader, receiverIndex)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, queues),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  const sock_fprog program{sizeof code / sizeof *code, code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0 ? -errno
                                                                                            : 0;
}

int spread(std::span<UdpPair> pairs, UdpSocket UdpPair::*family) {
  const int fd = (pairs[0].*family).fd.get();
  if (fd < 0) return 0;
  for (const UdpPair& pair : pairs) {
    if (!(pair.*family).fd) return -EADDRNOTAVAIL;
  }
  return attachFilter(fd, static_cast<uint32_t>(pairs.size()));
}

}  // namespace

int openUdpPairs(uint16_t port, uint32_t mark, std::span<UdpPair> pairs) {
  const int bound = UdpPair::open(port, mark, false, pairs[0]);
  if (bound < 0 || pairs.size() == 1) return bound;
  // Set after the port is ours: then the others may join, and nobody was joined.
  for (const UdpSocket* socket : {&pairs[0].v4, &pairs[0].v6}) {
    if (socket->fd) setInt(socket->fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  }
  for (UdpPair& pair : pairs.subspan(1)) {
    const int joined = UdpPair::open(static_cast<uint16_t>(bound), mark, true, pair);
    if (joined < 0) return joined;
  }
  for (const auto family : {&UdpPair::v4, &UdpPair::v6}) {
    if (const int error = spread(pairs, family); error < 0) return error;
  }
  return bound;
}

ReceiveBatch::ReceiveBatch() : buffer_(kMessages * kStride) {}

int ReceiveBatch::receive(const UdpSocket& socket, uint8_t family) {
  count_ = 0;
  for (uint32_t i = 0; i < kMessages; i++) {
    vectors_[i] = {buffer_.data() + i * kStride, 65'536};
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &names_[i];
    header.msg_namelen = sizeof names_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = controls_[i].bytes.data();
    header.msg_controllen = controls_[i].bytes.size();
    header.msg_flags = 0;
  }
  const int count = recvmmsg(socket.fd.get(), headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
  if (count < 0) return -errno;
  count_ = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < count_; i++) decode(i, family);
  return count;
}

void ReceiveBatch::decode(uint32_t i, uint8_t family) {
  ReceivedMessage& message = messages_[i];
  message = {};
  message.bytes = {buffer_.data() + i * kStride, headers_[i].msg_len};
  packet::PathRecord& path = message.path;
  path.family = family;
  const sockaddr_in6& name = names_[i];
  path.port = ntohs(name.sin6_port);
  if (family == 4) {
    memcpy(path.remote.data(), &reinterpret_cast<const sockaddr_in&>(name).sin_addr, 4);
  } else {
    memcpy(path.remote.data(), &name.sin6_addr, 16);
    path.scopeId = name.sin6_scope_id;
  }
  msghdr* header = &headers_[i].msg_hdr;
  for (cmsghdr* at = CMSG_FIRSTHDR(header); at != nullptr; at = CMSG_NXTHDR(header, at)) {
    if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
      message.segmentBytes = static_cast<uint32_t>(controlValue<int>(at));
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) {
      message.trafficClass = controlValue<uint8_t>(at);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS) {
      message.trafficClass = static_cast<uint8_t>(controlValue<int>(at));
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      const auto info = controlValue<in_pktinfo>(at);
      path.hasLocal = 1;
      memcpy(path.local.data(), &info.ipi_addr, 4);
      path.interfaceIndex = static_cast<uint32_t>(info.ipi_ifindex);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      const auto info = controlValue<in6_pktinfo>(at);
      path.hasLocal = 1;
      memcpy(path.local.data(), &info.ipi6_addr, 16);
      path.interfaceIndex = info.ipi6_ifindex;
    }
  }
}

int SendBatch::send(const UdpSocket& socket, uint8_t family,
                    std::span<const OutgoingMessage> messages) {
  const uint32_t count = std::min<uint32_t>(kMessages, static_cast<uint32_t>(messages.size()));
  for (uint32_t i = 0; i < count; i++) encode(i, family, messages[i]);
  const int sent = sendmmsg(socket.fd.get(), headers_.data(), count, MSG_DONTWAIT);
  return sent < 0 ? -errno : sent;
}

void SendBatch::encode(uint32_t i, uint8_t family, const OutgoingMessage& message) {
  const packet::PathRecord& path = *message.path;
  msghdr& header = headers_[i].msg_hdr;
  vectors_[i] = {const_cast<uint8_t*>(message.bytes.data()), message.bytes.size()};
  header.msg_iov = &vectors_[i];
  header.msg_iovlen = 1;
  header.msg_name = &names_[i];
  header.msg_control = controls_[i].bytes.data();
  header.msg_controllen = 0;
  auto* at = reinterpret_cast<cmsghdr*>(controls_[i].bytes.data());
  if (family == 4) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(path.port);
    memcpy(&name.sin_addr, path.remote.data(), 4);
    memcpy(&names_[i], &name, sizeof name);
    header.msg_namelen = sizeof name;
    if (path.hasLocal != 0) {
      // Only the address: naming the interface too would pin the route.
      in_pktinfo info{};
      memcpy(&info.ipi_spec_dst, path.local.data(), 4);
      at = putControl(header, at, IPPROTO_IP, IP_PKTINFO, info);
    }
    if (message.trafficClass != 0) {
      at = putControl(header, at, IPPROTO_IP, IP_TOS, int{message.trafficClass});
    }
  } else {
    sockaddr_in6& name = names_[i];
    name = {};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(path.port);
    name.sin6_scope_id = path.scopeId;
    memcpy(&name.sin6_addr, path.remote.data(), 16);
    header.msg_namelen = sizeof name;
    if (path.hasLocal != 0) {
      in6_pktinfo info{};
      memcpy(&info.ipi6_addr, path.local.data(), 16);
      if (isLinkLocal(path.local)) info.ipi6_ifindex = path.interfaceIndex;
      at = putControl(header, at, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    if (message.trafficClass != 0) {
      at = putControl(header, at, IPPROTO_IPV6, IPV6_TCLASS, int{message.trafficClass});
    }
  }
  if (message.segmentBytes != 0) {
    at = putControl(header, at, IPPROTO_UDP, UDP_SEGMENT,
                    static_cast<uint16_t>(message.segmentBytes));
  }
  if (header.msg_controllen == 0) header.msg_control = nullptr;
}

}  // namespace beam::kernel
