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

class Tun {
 public:
  /** Creates or attaches; a negative errno on failure. `allowUdp` asks for USO as well. */
  static int open(const char* name, Tun& out);
  /** Takes over a descriptor that an interface is attached to; a negative errno on failure. */
  static int adopt(int fd, Tun& out);

  /** 0 or a negative errno. Also limits the super-packets that the system makes. */
  int setOffloads(bool tcp, bool udp);
  const TunOffloads& offloads() const { return offloads_; }
  const std::string& name() const { return name_; }
  int fd() const { return fd_.get(); }

  /** Bytes read, or a negative errno. */
  int read(std::span<uint8_t> into);
  /** 0 or a negative errno. `parts[0]` is the virtio-net header, left out where there is none. */
  int write(std::span<const iovec> parts);
  void close() { fd_.reset(); }

 private:
  int adoptFlags();

  sys::UniqueFd fd_;
  std::string name_;
  TunOffloads offloads_;
};

}  // namespace beam::kernel
