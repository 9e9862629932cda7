#include "udp.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "process.h"

namespace beam::sys {

namespace {

// As wireguard-go: enough for a burst at 10 Gbit/s. FORCE passes net.core.?mem_max as root.
constexpr int kSocketBufferBytes = 7 << 20;

template <class T>
bool setOption(int fd, int level, int name, const T& value) noexcept {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

void growBuffers(int fd) noexcept {
  for (const auto& [forced, plain] : {std::pair{SO_RCVBUFFORCE, SO_RCVBUF},
                                      std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (!setOption(fd, SOL_SOCKET, forced, kSocketBufferBytes)) {
      // What the system's limit allows is what there is.
      (void)setOption(fd, SOL_SOCKET, plain, kSocketBufferBytes);
    }
  }
}

/** 0 or an errno. */
int setOptions(int fd, Family family) noexcept {
  const int on = 1;
  // The tunnel's own packets are fragmented where they must be; no DF bit (kernel WireGuard).
  const bool done =
      family == Family::v4
          ? setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_DONT}) &&
                setOption(fd, IPPROTO_IP, IP_PKTINFO, on) && setOption(fd, IPPROTO_IP, IP_RECVTOS, on)
          : setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, on) &&
                setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, int{IPV6_PMTUDISC_DONT}) &&
                setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on) &&
                setOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, on);
  if (!done) return errno;
  growBuffers(fd);
  return 0;
}

/**
 * IPv6 counts as off where the sysctl says so and no address is left, not even ::1: an interface
 * may switch it on for itself.
 */
bool isIpv6Off() noexcept {
  char setting = '0';
  const UniqueFd sysctl(::open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_RDONLY | O_CLOEXEC));
  if (!sysctl || ::read(sysctl.get(), &setting, 1) != 1 || setting != '1') return false;
  const UniqueFd addresses(::open("/proc/net/if_inet6", O_RDONLY | O_CLOEXEC));
  char any = 0;
  return !addresses || ::read(addresses.get(), &any, 1) < 1;
}

/** 0 or an errno; the address is the wildcard of the family. */
int bindTo(int fd, Family family, std::uint16_t port) noexcept {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  const int outcome = family == Family::v4
                          ? ::bind(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
                          : ::bind(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  return outcome == 0 ? 0 : errno;
}

Result<std::uint16_t> boundPort(int fd) noexcept {
  sockaddr_storage local = {};
  socklen_t length = sizeof local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) != 0) {
    return failed<std::uint16_t>(errno);
  }
  // Both families have the port in the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return {ntohs(reinterpret_cast<const sockaddr_in*>(&local)->sin_port)};
}

/** Errors that a wrong source address, or one on a wrong interface, can cause. */
bool mayBeStaleLocal(int error) noexcept {
  return error == EINVAL || error == ENETUNREACH || error == EHOSTUNREACH ||
         error == EADDRNOTAVAIL || error == ENODEV;
}

using ControlBytes = std::span<std::uint8_t, 128>;

/** Appends a control message at `used`; returns where the next one goes. */
template <class T>
std::size_t addControl(ControlBytes control, std::size_t used, int level, int type,
                       const T& value) noexcept {
  auto* const part = reinterpret_cast<cmsghdr*>(control.data() + used);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(part), &value, sizeof value);
  return used + CMSG_SPACE(sizeof value);
}

socklen_t writeAddress4(const PathRecord& path, sockaddr_in& to) noexcept {
  to.sin_family = AF_INET;
  to.sin_port = htons(path.port);
  std::memcpy(&to.sin_addr, path.remote.data(), 4);
  return sizeof to;
}

std::size_t writeControl4(const PathRecord& path, bool withLocal, std::uint8_t trafficClass,
                          ControlBytes control) noexcept {
  const std::size_t used = addControl(control, 0, IPPROTO_IP, IP_TOS, int{trafficClass});
  if (!withLocal) return used;
  // No interface index: it would force the packet out there, against the routes.
  in_pktinfo info = {};
  std::memcpy(&info.ipi_spec_dst, path.local.data(), 4);
  return addControl(control, used, IPPROTO_IP, IP_PKTINFO, info);
}

socklen_t writeAddress6(const PathRecord& path, sockaddr_in6& to) noexcept {
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(path.port);
  to.sin6_scope_id = path.scopeId;
  std::memcpy(&to.sin6_addr, path.remote.data(), 16);
  return sizeof to;
}

bool isLinkLocal(const std::array<std::uint8_t, 16>& address) noexcept {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

std::size_t writeControl6(const PathRecord& path, bool withLocal, std::uint8_t trafficClass,
                          ControlBytes control) noexcept {
  const std::size_t used = addControl(control, 0, IPPROTO_IPV6, IPV6_TCLASS, int{trafficClass});
  if (!withLocal) return used;
  in6_pktinfo info = {};
  std::memcpy(&info.ipi6_addr, path.local.data(), 16);
  if (isLinkLocal(path.local)) info.ipi6_ifindex = path.interfaceIndex;
  return addControl(control, used, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

}  // namespace

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(Family family, std::uint16_t port,
                                                   std::uint32_t mark) noexcept {
  using Opened = std::unique_ptr<UdpSocket>;
  if (family == Family::v6 && isIpv6Off()) return failed<Opened>(EAFNOSUPPORT);
  const int domain = family == Family::v4 ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return failed<Opened>(errno);
  if (const int error = setOptions(fd.get(), family)) return failed<Opened>(error);
  if (mark != 0 && !setOption(fd.get(), SOL_SOCKET, SO_MARK, mark)) return failed<Opened>(errno);
  if (const int error = bindTo(fd.get(), family, port)) return failed<Opened>(error);
  const auto bound = boundPort(fd.get());
  if (!bound.ok()) return failed<Opened>(bound.error);
  Opened socket(new (std::nothrow) UdpSocket(std::move(fd), family, bound.value, mark));
  if (!socket) return failed<Opened>(ENOMEM);
  return {std::move(socket)};
}

int UdpSocket::setMark(std::uint32_t mark) noexcept {
  if (!setOption(fd_.get(), SOL_SOCKET, SO_MARK, mark)) return errno;
  mark_ = mark;
  return 0;
}

std::size_t UdpSocket::receive(std::span<std::uint8_t> buffer,
                               std::span<DatagramRecord> records) noexcept {
  const std::size_t slots =
      std::min({kUdpBatchDatagrams, records.size(), buffer.size() / kUdpSlotBytes});
  for (std::size_t i = 0; i < slots; i++) {
    vectors_[i] = {buffer.data() + i * kUdpSlotBytes, kUdpSlotBytes};
    msghdr& header = headers_[i].msg_hdr;
    header = {};
    header.msg_name = &sources_[i];
    header.msg_namelen = sizeof sources_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
    header.msg_controllen = sizeof controls_[i];
  }
  const int count =
      ::recvmmsg(fd_.get(), headers_.data(), static_cast<unsigned>(slots), MSG_DONTWAIT, nullptr);
  if (count < 0) {
    int pending = 0;
    socklen_t length = sizeof pending;
    (void)::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &pending, &length);
    return 0;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++) {
    records[i] = DatagramRecord{};
    records[i].offset = static_cast<std::uint32_t>(i * kUdpSlotBytes);
    records[i].length = headers_[i].msg_len;
    readRecord(i, records[i]);
    records[i].samePath = records[i].path == lastPath_ ? 1 : 0;
    lastPath_ = records[i].path;
  }
  return static_cast<std::size_t>(count);
}

void UdpSocket::readRecord(std::size_t slot, DatagramRecord& record) noexcept {
  PathRecord& path = record.path;
  path.family = static_cast<std::uint8_t>(family_);
  if (family_ == Family::v4) {
    path.port = ntohs(sources_[slot].v4.sin_port);
    std::memcpy(path.remote.data(), &sources_[slot].v4.sin_addr, 4);
  } else {
    path.port = ntohs(sources_[slot].v6.sin6_port);
    path.scopeId = sources_[slot].v6.sin6_scope_id;
    std::memcpy(path.remote.data(), &sources_[slot].v6.sin6_addr, 16);
  }
  msghdr& header = headers_[slot].msg_hdr;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      path.hasLocal = 1;
      path.interfaceIndex = static_cast<std::uint32_t>(info.ipi_ifindex);
      std::memcpy(path.local.data(), &info.ipi_spec_dst, 4);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      path.hasLocal = 1;
      path.interfaceIndex = info.ipi6_ifindex;
      std::memcpy(path.local.data(), &info.ipi6_addr, 16);
    } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TOS) {
      record.trafficClass = *CMSG_DATA(part);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_TCLASS) {
      int trafficClass;
      std::memcpy(&trafficClass, CMSG_DATA(part), sizeof trafficClass);
      record.trafficClass = static_cast<std::uint8_t>(trafficClass);
    }
  }
}

SendOutcome UdpSocket::send(PathRecord& path, std::span<const std::uint8_t> bytes,
                            std::uint8_t trafficClass) noexcept {
  if (path.family != static_cast<std::uint8_t>(family_)) return {EAFNOSUPPORT, false};
  if (path.hasLocal == 0) return {transmit(path, false, bytes, trafficClass), false};
  if (!fitsRoutes(path)) return {transmit(path, false, bytes, trafficClass), true};
  const int error = transmit(path, true, bytes, trafficClass);
  if (!mayBeStaleLocal(error)) return {error, false};
  const int retried = transmit(path, false, bytes, trafficClass);
  return {retried, retried == 0 || error == EINVAL};
}

/**
 * The kernel's WireGuard gives up a sticky IPv4 source when the route leaves by another interface
 * than the one it was received on. It looks at every packet; here once a second for each path. For
 * IPv6 it only asks that the address is still local, which sending with it tells.
 */
bool UdpSocket::fitsRoutes(PathRecord& path) noexcept {
  const std::uint32_t now = coarseSeconds();
  if (family_ == Family::v6 || path.interfaceIndex == 0 || path.routeCheckedS == now) return true;
  Flow4 flow;
  std::copy_n(path.remote.begin(), flow.destination.size(), flow.destination.begin());
  std::copy_n(path.local.begin(), flow.source.size(), flow.source.begin());
  flow.destinationPort = path.port;
  flow.sourcePort = port_;
  flow.mark = mark_;
  const auto out = interfaceFor(routes_, flow);
  if (out.ok() && out.value != static_cast<int>(path.interfaceIndex)) return false;
  // No route, or a source that isn't ours: sending finds out.
  path.routeCheckedS = now;
  return true;
}

int UdpSocket::transmit(const PathRecord& path, bool withLocal, std::span<const std::uint8_t> bytes,
                        std::uint8_t trafficClass) const noexcept {
  Address to = {};
  Control control = {};
  iovec vector = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_name = &to;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  if (family_ == Family::v4) {
    message.msg_namelen = writeAddress4(path, to.v4);
    message.msg_controllen = writeControl4(path, withLocal, trafficClass, control.bytes);
  } else {
    message.msg_namelen = writeAddress6(path, to.v6);
    message.msg_controllen = writeControl6(path, withLocal, trafficClass, control.bytes);
  }
  for (;;) {
    if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace beam::sys
