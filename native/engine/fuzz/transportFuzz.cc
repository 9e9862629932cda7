// libFuzzer: datagrams into a whole engine. The input is a list of mutations of real transport
// datagrams and of raw datagrams; nothing of it may reach the system but what was sealed.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "cipher/backends.h"
#include "core/device.h"
#include "packet/wire.h"
#include "sys/clock.h"

using namespace beam;
using namespace beam::packet;

namespace {

struct Engine {
  Engine() {
    core::DeviceOptions options;
    options.pair = true;
    options.pairVnet = true;
    options.cipher = cipher::Choice::evp;
    options.wake = [] {};
    std::string reason;
    if (core::Device::open(std::move(options), device, reason) != 0) std::abort();
    device->pairLink(true, 1420);
    const int port = device->bind(0);
    socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    device->addPeer({0, 1});
    device->changeAllowedIps({0, 1}, true, {}, {{4, 0, {}}, {6, 0, {}}});
    std::array<uint8_t, 32> key{7};
    device->installKeys({0, 1},
                        {false, 0x01020304, 9, Suite::chacha20Poly1305, kernel::bootNs(),
                         {UINT64_MAX / 2, UINT64_MAX, UINT64_MAX - 8192, UINT64_MAX, core::kNever,
                          core::kNever, core::kNever}},
                        key, key);
    cipher = cipher::makeEvp();
    cipher->expand(Suite::chacha20Poly1305, key, state);
  }

  void sealed(std::span<const uint8_t> plain) {
    std::vector<uint8_t> datagram(kTransportOverheadBytes + plain.size());
    storeLe32(datagram.data(), kMessageTransport);
    storeLe32(datagram.data() + 4, 0x01020304);
    storeLe64(datagram.data() + 8, counter);
    SealJob job{plain.data(), static_cast<uint32_t>(plain.size()), datagram.data() + 16, counter++};
    cipher->seal(Suite::chacha20Poly1305, state, {&job, 1});
    ::send(socket, datagram.data(), datagram.size(), 0);
  }

  std::unique_ptr<core::Device> device;
  int socket;
  std::unique_ptr<CipherBackend> cipher;
  alignas(64) uint8_t state[64];
  uint64_t counter = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Engine engine;
  size_t at = 0;
  while (size - at > 3) {
    const uint8_t kind = data[at];
    const size_t length = std::min<size_t>(data[at + 1] | data[at + 2] << 8, size - at - 3);
    const std::span<const uint8_t> part(data + at + 3, length);
    at += 3 + length;
    if (kind & 1) {
      engine.sealed(part);
    } else {
      ::send(engine.socket, part.data(), part.size(), 0);
    }
  }
  engine.device->stats();
  engine.device->takeEvents();
  while (engine.device->pairRead()) {
  }
  return 0;
}
