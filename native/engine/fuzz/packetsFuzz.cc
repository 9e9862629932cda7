// libFuzzer: every function that touches a received byte, picked by the first input byte. Segmenter
// and coalescer are also held against each other: what they give back must be well formed.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "packet/blake2s.h"
#include "packet/coalescer.h"
#include "packet/controlGate.h"
#include "packet/ip.h"
#include "packet/segmenter.h"
#include "packet/wire.h"
#include "probe/probe.h"

using namespace beam::packet;

namespace {

using Bytes = std::span<const uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

/** Segments what the coalescer wrote, and counts what comes out. */
class Resegment final : public CoalescerSink {
 public:
  void write(std::span<const iovec> parts, uint32_t packets) override {
    VnetHeader vnet;
    require(parts[0].iov_len == sizeof vnet);
    std::memcpy(&vnet, parts[0].iov_base, sizeof vnet);
    std::vector<uint8_t> whole;
    for (const iovec& part : parts.subspan(1)) {
      const auto* bytes = static_cast<const uint8_t*>(part.iov_base);
      whole.insert(whole.end(), bytes, bytes + part.iov_len);
    }
    require(parseIp(whole)->totalBytes == whole.size());
    const size_t bytes = whole.size();
    whole.resize(bytes + kPaddingMultiple);
    Segmenter segmenter;
    require(segmenter.begin(vnet, {whole.data(), bytes}, 1420));
    require(segmenter.count() == packets);
    for (uint32_t pass = 0; pass < 2; pass++) {
      for (uint32_t i = pass; i < segmenter.count(); i += 2) {
        require(parseIp(segmenter.place(i)).has_value());
      }
      segmenter.restore();
    }
    total += packets;
  }
  uint32_t total = 0;
};

/** Length-prefixed packets (two bytes each), as they come out of the cipher. */
void receive(Bytes input) {
  std::vector<uint8_t> buffer(input.begin(), input.end());
  Resegment sink;
  Coalescer coalescer(sink);
  coalescer.setFeatures({true, true, true, true});
  uint32_t added = 0;
  size_t at = 0;
  while (buffer.size() - at > 3) {
    const size_t length = std::min<size_t>(buffer[at] | buffer[at + 1] << 8, buffer.size() - at - 3);
    const uint8_t outer = buffer[at + 2];
    const std::span<uint8_t> packet(buffer.data() + at + 3, length);
    at += 3 + length;
    const auto ip = parseIp(packet);
    if (!ip) continue;
    sourceOf(packet, ip->version);
    destinationOf(packet, ip->version);
    const auto whole = packet.first(ip->totalBytes);
    decapsulateEcn(whole, *ip, outer);
    coalescer.add(whole, *parseIp(whole));
    added++;
  }
  coalescer.flush();
  require(sink.total == added);
}

void control(Bytes input) {
  static ControlGate gate(1);
  static uint64_t now = 0;
  if (input.empty()) return;
  const std::array<uint8_t, 32> key{input[0]};
  gate.setKey(input[0] & 1 ? std::optional(mac1Key(key)) : std::nullopt);
  gate.check(input.subspan(1), input[0] & 2 ? 4 : 6, {input[0], 1}, now += 1'000'000, input[0] & 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes input(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      receive(input);
      break;
    case 1:
      control(input);
      break;
    case 2:  // segment: MTU, virtio-net header, packet
      beam::probe::run(2, input);
      break;
    case 3:
      beam::probe::run(0, input);
      break;
    case 4:
      beam::probe::run(1, input);
      break;
    case 5:
      beam::probe::run(4, input);
      break;
  }
  return 0;
}
