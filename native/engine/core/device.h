// One tunnel device as the control plane sees it: every call is on its thread, most only leave a
// command for the engine's. Knows nothing of Node.
#pragma once
#include <pthread.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/loop.h"

namespace beam::core {

struct DeviceOptions {
  /** The interface to create or attach to; ignored where `tunFd` is given. */
  std::string name;
  /** Taken over; -1 for none. */
  int tunFd = -1;
  /** A socket pair instead, for tests; `pairVnet` as in Tun::adoptPair. */
  bool pair = false;
  bool pairVnet = false;
  /** 0 leaves what the interface has. */
  uint32_t mtu = 0;
  /** TUN queues, each with a thread and sockets; 1 to kMaxQueues. A descriptor has one. */
  uint32_t queues = 1;
  cipher::Choice cipher = cipher::Choice::best;
  OffloadSwitches switches;
  /** Random; spreads sources over rate limits. */
  uint64_t seed = 0;
  /** Called on the engine's thread when events wait. */
  std::function<void()> wake;
};

struct AllowedIp {
  uint8_t version;
  uint8_t length;
  packet::AddressBits prefix;
};

struct Traffic {
  bool known = false;
  uint64_t receivedBytes = 0;
  uint64_t sentBytes = 0;
  packet::PathRecord path{};
  bool hasSession = false;
  packet::Suite suite{};
  uint64_t createdNs = 0;
};

/** Where something is in use. */
struct Families {
  bool four = false;
  bool six = false;
  /** To those of one more loop. */
  void restrict(bool alsoFour, bool alsoSix) {
    four = four && alsoFour;
    six = six && alsoSix;
  }
};

struct Stats {
  Counters counters;
  uint32_t queues = 1;
  std::string cipher;
  std::string cipherNote;
  /** What sending real super-packets at start said. */
  std::string offloadProbe;
  bool vnetHeader = false;
  bool tunTcp = false;
  bool tunUdp = false;
  Families joinTcp;
  Families joinUdp;
  Families udpSegment;
  Families udpGro;
  bool keysLocked = false;
  bool linkWatched = false;
};

class Device {
 public:
  /** 0 or a negative errno; `reason` where that alone doesn't say enough. */
  static int open(DeviceOptions options, std::unique_ptr<Device>& out, std::string& reason);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const std::string& name() const { return name_; }
  std::vector<Event> takeEvents();

  /** The port, or a negative errno; the old sockets stay open then. */
  int bind(uint16_t port);
  void unbind();
  /** 0 or a negative errno. */
  int setMark(uint32_t mark);
  void setLocalPublicKey(std::optional<std::array<uint8_t, 32>> publicKey);

  void addPeer(PeerRef peer);
  void removePeer(PeerRef peer);
  void setPath(PeerRef peer, const packet::PathRecord& path);
  void clearLocalAddress(PeerRef peer);
  void changeAllowedIps(PeerRef peer, bool replace, std::vector<AllowedIp> remove,
                        std::vector<AllowedIp> add);
  /** Copies the keys to locked memory; the caller zeroes its own. */
  void installKeys(PeerRef peer, const NewSession& session, std::span<const uint8_t, 32> sendKey,
                   std::span<const uint8_t, 32> receiveKey);
  void expireKeys(PeerRef peer);
  void dropKeys(PeerRef peer);
  void dropStaged(PeerRef peer);
  void sendKeepalive(PeerRef peer);
  void sendToPeer(PeerRef peer, std::span<const uint8_t> bytes, uint8_t trafficClass);
  void sendTo(const packet::PathRecord& path, std::span<const uint8_t> bytes,
              uint8_t trafficClass);
  void countControlReceived(PeerRef peer, uint64_t bytes);
  Traffic traffic(PeerRef peer);
  Stats stats();

  // With a socket pair, for tests: what the system would do.
  bool pairWrite(std::span<const uint8_t> packet, uint32_t queue = 0);
  /** Null if nothing was written. */
  std::optional<std::vector<uint8_t>> pairRead(uint32_t queue = 0);
  void pairLink(bool up, uint32_t mtu);
  /** Activity is reported now instead of some milliseconds later. */
  void pairReport();
  void pairFaults(const kernel::Faults& faults);

 private:
  Device() = default;
  int openLoops(DeviceOptions& options, std::string& reason);
  int openTun(const DeviceOptions& options, uint32_t queue, kernel::Tun& out);
  Loop& leader() const { return *loops_.front(); }
  /** Runs on each loop, if the peer is still there. */
  void withPeer(PeerRef peer, std::function<void(Loop&, Peer&)> command);
  /** Waits until each loop has run it. */
  void callAll(const Loop::Command& command);
  void setSockets(std::vector<kernel::UdpPair>& pairs);

  std::vector<std::unique_ptr<Loop>> loops_;
  std::string name_;
  std::string cipherNote_;
  std::string offloadProbe_;
  /** One a queue. */
  std::vector<sys::UniqueFd> pairEnds_;
  /** Those that run. */
  std::vector<pthread_t> threads_;
  uint16_t port_ = 0;
  uint32_t mark_ = 0;
};

}  // namespace beam::core
