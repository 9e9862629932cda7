#include "sys/offloadProbe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "../../sys/fd.h"
#include "packet/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"
#include "packet/wire.h"
#include "sys/tun.h"

namespace beam::kernel {
namespace {

using namespace packet;

constexpr const char* kName = "probe0";
constexpr uint32_t kOurs = 0xc0000201;    // 192.0.2.1 (RFC 5737)
constexpr uint32_t kTheirs = 0xc0000202;  // 192.0.2.2
constexpr uint16_t kPort = 4000;
constexpr uint16_t kSegmentBytes = 1000;
constexpr uint32_t kPayloadBytes = 2500;
constexpr int kWaitMs = 200;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kRst = 0x04;

sockaddr_in address(uint32_t host, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(host);
  return result;
}

bool bringUp(int socket, const char* name, uint32_t host) {
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (host != 0) {
    const sockaddr_in own = address(host, 0);
    memcpy(&request.ifr_addr, &own, sizeof own);
    if (ioctl(socket, SIOCSIFADDR, &request) < 0) return false;
    const sockaddr_in mask = address(0xffffff00, 0);
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    if (ioctl(socket, SIOCSIFNETMASK, &request) < 0) return false;
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(socket, SIOCSIFFLAGS, &request) == 0;
}

sys::UniqueFd boundSocket(uint32_t host, uint16_t port) {
  sys::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in own = address(host, port);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) < 0) return {};
  return fd;
}

bool readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, kWaitMs) == 1;
}

/** The datagrams of one super-packet, in their sizes. */
bool receivesSegments(int socket) {
  for (uint32_t rest = kPayloadBytes; rest > 0;) {
    std::array<uint8_t, 2 * kPayloadBytes> buffer;
    if (!readable(socket)) return false;
    const ssize_t bytes = recv(socket, buffer.data(), buffer.size(), 0);
    if (bytes != static_cast<ssize_t>(std::min<uint32_t>(rest, kSegmentBytes))) return false;
    rest -= static_cast<uint32_t>(bytes);
  }
  return true;
}

/** From the other side to our address, with a partial checksum. */
std::vector<uint8_t> superPacket(bool tcp, VnetHeader& vnet) {
  const uint32_t l4Bytes = tcp ? 20 : 8;
  std::vector<uint8_t> packet(20 + l4Bytes + kPayloadBytes, 7);
  uint8_t* ip = packet.data();
  memset(ip, 0, 20 + l4Bytes);
  ip[0] = 0x45;
  storeBe16(ip + 2, static_cast<uint16_t>(packet.size()));
  ip[8] = 64;
  ip[9] = tcp ? kProtocolTcp : kProtocolUdp;
  storeBe32(ip + 12, kTheirs);
  storeBe32(ip + 16, kOurs);
  storeIpv4Checksum({ip, 20});
  uint8_t* l4 = ip + 20;
  storeBe16(l4, kPort);
  storeBe16(l4 + 2, kPort);
  const auto l4Total = static_cast<uint32_t>(packet.size() - 20);
  if (tcp) {
    storeBe32(l4 + 4, 1);
    l4[12] = 5 << 4;
    l4[13] = kPsh;
  } else {
    storeBe16(l4 + 4, static_cast<uint16_t>(l4Total));
  }
  const uint16_t checksumOffset = tcp ? 16 : 6;
  storeRaw(l4 + checksumOffset, checksumFold(pseudoHeaderSum({ip + 12, 8}, ip[9], l4Total)));
  vnet = {kVnetNeedsChecksum, tcp ? kGsoTcp4 : kGsoUdpL4, static_cast<uint16_t>(20 + l4Bytes),
          kSegmentBytes, 20, checksumOffset};
  return packet;
}

bool writeSuperPacket(Tun& tun, bool tcp) {
  VnetHeader vnet;
  std::vector<uint8_t> packet = superPacket(tcp, vnet);
  const std::array<iovec, 2> parts{{{&vnet, sizeof vnet}, {packet.data(), packet.size()}}};
  return tun.write(parts) == 0;
}

/** Nobody listens there: a reset acknowledges all that the TCP layer got. */
bool answersTcp(Tun& tun) {
  if (!writeSuperPacket(tun, true)) return false;
  while (readable(tun.fd())) {
    std::array<uint8_t, 2048> buffer;
    const int bytes = tun.read(buffer);
    if (bytes < static_cast<int>(kVnetHeaderBytes) + 40) continue;
    const uint8_t* ip = buffer.data() + kVnetHeaderBytes;
    if (ip[0] != 0x45 || ip[9] != kProtocolTcp || (ip[20 + 13] & kRst) == 0) continue;
    return loadBe32(ip + 20 + 8) == 1 + kPayloadBytes;
  }
  return false;
}

bool sendsSegments() {
  const sys::UniqueFd from = boundSocket(INADDR_LOOPBACK, 0);
  const sys::UniqueFd to = boundSocket(INADDR_LOOPBACK, kPort);
  const int segment = kSegmentBytes;
  if (!from || !to ||
      setsockopt(from.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) < 0) {
    return false;
  }
  const std::vector<uint8_t> payload(kPayloadBytes, 7);
  const sockaddr_in remote = address(INADDR_LOOPBACK, kPort);
  const ssize_t sent = sendto(from.get(), payload.data(), payload.size(), 0,
                              reinterpret_cast<const sockaddr*>(&remote), sizeof remote);
  return sent == static_cast<ssize_t>(payload.size()) && receivesSegments(to.get());
}

/** On a thread of its own, which ends with its namespace. */
void* probe(void* result) {
  auto& answer = *static_cast<OffloadProbe*>(result);
  if (unshare(CLONE_NEWNET) != 0) return nullptr;
  const sys::UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Tun tun;
  if (!control || !bringUp(control.get(), "lo", 0) || Tun::open(kName, false, tun) < 0) return nullptr;
  answer.possible = bringUp(control.get(), kName, kOurs);
  if (!answer.possible) return nullptr;
  answer.udpSegment = sendsSegments();
  answer.tunTcp = tun.setOffloads(true, false) == 0 && answersTcp(tun);
  const sys::UniqueFd socket = boundSocket(kOurs, kPort);
  answer.tunUdp = socket && tun.setOffloads(true, true) == 0 && writeSuperPacket(tun, false) &&
                  receivesSegments(socket.get());
  return nullptr;
}

OffloadProbe run() {
  OffloadProbe answer;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, probe, &answer) == 0) pthread_join(thread, nullptr);
  return answer;
}

}  // namespace

const OffloadProbe& probeOffloads() {
  static const OffloadProbe answer = run();
  return answer;
}

}  // namespace beam::kernel
