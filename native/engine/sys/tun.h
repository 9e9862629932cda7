// The TUN device with virtio-net headers and its offloads.
#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>

#include "../../sys/fd.h"

namespace beam::kernel {

struct TunOffloads {
  /** Packets carry a virtio-net header. Without it there are no offloads. */
  bool vnetHeader = false;
  bool tcp = false;
  bool udp = false;
};

/** What an engine on a socket pair is to fail with; 0 for nothing. For tests. */
struct Faults {
  /** Every write to the TUN; those of joined packets only. */
  int write = 0;
  int joinedWrite = 0;
  /** Every read from the TUN while it has offloads. */
  int offloadRead = 0;
  /** Every send; those of more than one segment only. */
  int send = 0;
  int segmentSend = 0;
  /** Every receive from a socket with UDP_GRO. */
  int groReceive = 0;
  /** The next send from a fixed local address. */
  bool localOnce = false;
};

class Tun {
 public:
  /**
   * Creates or attaches; a negative errno on failure. With `multiQueue` each call for one name gives
   * another queue; an interface that stands with one queue refuses (EINVAL).
   */
  static int open(const char* name, bool multiQueue, Tun& out);
  /** Takes over a descriptor that an interface is attached to; a negative errno on failure. */
  static int adopt(int fd, Tun& out);

  /**
   * One end of a socket pair in place of a device, for tests: the other end is the system. `vnet`
   * says whether packets carry a virtio-net header; offloads are then whatever is asked for.
   */
  static void adoptPair(sys::UniqueFd fd, bool vnet, Tun& out);

  /** 0 or a negative errno. */
  int setOffloads(bool tcp, bool udp);
  const TunOffloads& offloads() const { return offloads_; }
  const std::string& name() const { return name_; }
  int fd() const { return fd_.get(); }

  /** Bytes read, or a negative errno. */
  int read(std::span<uint8_t> into);
  /** 0 or a negative errno. `parts[0]` is the virtio-net header, left out where there is none. */
  int write(std::span<const iovec> parts);
  /** False once the interface is gone, wherever it was. */
  bool attached() const;
  bool isPair() const { return isPair_; }
  void setFaults(const Faults& faults) { faults_ = faults; }

 private:
  int adoptFlags();

  sys::UniqueFd fd_;
  std::string name_;
  TunOffloads offloads_;
  bool isPair_ = false;
  Faults faults_;
};

/**
 * Has the system make super-packets for the named interface of this namespace no longer than that;
 * 0 or an errno.
 */
int limitSuperPackets(const std::string& name, uint32_t bytes);

}  // namespace beam::kernel
