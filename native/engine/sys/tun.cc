#include "sys/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../../sys/netlinkMessage.h"
#include "../../sys/netlinkSocket.h"
#include "../../sys/tun.h"
#include "packet/wire.h"

// Newer than some systems' headers (Linux 6.2).
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace beam::kernel {

int Tun::open(const char* name, bool multiQueue, Tun& out) {
  sys::UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return -errno;
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (multiQueue) request.ifr_flags |= IFF_MULTI_QUEUE;
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) return -errno;
  out.fd_ = std::move(fd);
  return out.adoptFlags();
}

int Tun::adopt(int fd, Tun& out) {
  out.fd_ = sys::UniqueFd(fd);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return out.adoptFlags();
}

void Tun::adoptPair(sys::UniqueFd fd, bool vnet, Tun& out) {
  out.fd_ = std::move(fd);
  out.name_ = "pair";
  out.isPair_ = true;
  out.offloads_ = {};
  out.offloads_.vnetHeader = vnet;
}

bool Tun::attached() const {
  // A descriptor whose interface is gone has no name any more.
  return isPair_ || sys::identifyTun(fd_.get()).ok();
}

int Tun::adoptFlags() {
  ifreq request{};
  if (ioctl(fd_.get(), TUNGETIFF, &request) < 0) return -errno;
  if ((request.ifr_flags & (IFF_TUN | IFF_TAP)) != IFF_TUN) return -EPROTO;
  name_.assign(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  offloads_ = {};
  offloads_.vnetHeader = (request.ifr_flags & IFF_VNET_HDR) != 0;
  if (offloads_.vnetHeader) {
    int bytes = packet::kVnetHeaderBytes;
    if (ioctl(fd_.get(), TUNSETVNETHDRSZ, &bytes) < 0) return -errno;
  }
  return 0;
}

int Tun::setOffloads(bool tcp, bool udp) {
  if (!offloads_.vnetHeader) return tcp || udp ? -ENOTSUP : 0;
  unsigned flags = 0;
  if (tcp || udp) flags |= TUN_F_CSUM;
  if (tcp) flags |= TUN_F_TSO4 | TUN_F_TSO6;
  // The kernel takes USO for both families or not at all.
  if (udp) flags |= TUN_F_USO4 | TUN_F_USO6;
  if (!isPair_ && ioctl(fd_.get(), TUNSETOFFLOAD, flags) < 0) return -errno;
  offloads_.tcp = tcp;
  offloads_.udp = udp;
  return 0;
}

int Tun::read(std::span<uint8_t> into) {
  if (faults_.offloadRead != 0 && (offloads_.tcp || offloads_.udp)) return -faults_.offloadRead;
  const ssize_t bytes = ::read(fd_.get(), into.data(), into.size());
  return bytes < 0 ? -errno : static_cast<int>(bytes);
}

int Tun::write(std::span<const iovec> parts) {
  if (isPair_) {
    packet::VnetHeader vnet;
    memcpy(&vnet, parts[0].iov_base, sizeof vnet);
    if (faults_.write != 0) return -faults_.write;
    if (faults_.joinedWrite != 0 && vnet.gsoType != packet::kGsoNone) return -faults_.joinedWrite;
  }
  if (!offloads_.vnetHeader) parts = parts.subspan(1);
  const ssize_t bytes = writev(fd_.get(), parts.data(), static_cast<int>(parts.size()));
  return bytes < 0 ? -errno : 0;
}

int limitSuperPackets(const std::string& name, uint32_t bytes) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(if_nametoindex(name.c_str()));
  if (header.ifi_index == 0) return errno;
  sys::NetlinkRequest request(RTM_NEWLINK, header);
  request.attribute(IFLA_GSO_MAX_SIZE, bytes);
  request.acknowledge();
  sys::NetlinkClient client;
  return client.ask(request).error;
}

}  // namespace beam::kernel
