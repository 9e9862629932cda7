// Joins received TCP and UDP packets of one flow into super-packets for the TUN: the receiving
// system then walks its stack once per run instead of once per packet. Payloads are not copied; a
// run is a list of iovecs over the receive buffers.
//
// Only what the segmenter would give back byte for byte is joined: same addresses, ports, TOS,
// TTL, ack, window and options, consecutive sequence numbers and IPv4 ids, no fragments, checksum
// verified, all payloads equal but a shorter last one.
#pragma once
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>

#include "packet/ip.h"
#include "packet/wire.h"

namespace beam::packet {

/** Which joined packets the TUN takes. */
struct CoalescerFeatures {
  bool tcp4 = false;
  bool tcp6 = false;
  bool udp4 = false;
  bool udp6 = false;
};

/** Where packets go. `parts[0]` is the virtio-net header. */
class CoalescerSink {
 public:
  virtual void write(std::span<const iovec> parts, uint32_t packets) = 0;

 protected:
  ~CoalescerSink() = default;
};

class Coalescer {
 public:
  static constexpr uint32_t kMaxRuns = 8;
  static constexpr uint32_t kMaxPackets = 126;

  explicit Coalescer(CoalescerSink& sink) : sink_(sink) {}

  void setFeatures(CoalescerFeatures features) { features_ = features; }
  /**
   * Takes one valid IP packet of exactly `header.totalBytes`. It stays borrowed, and its headers
   * may be rewritten, until `flush`. Order within a flow is kept.
   */
  void add(std::span<uint8_t> packet, const IpHeader& header);
  /** Writes everything that is held. */
  void flush();

 private:
  struct Flow {
    uint8_t version;
    uint8_t protocol;
    uint16_t l4Start;
    uint16_t headerBytes;
    uint32_t payloadBytes;
  };
  struct Run {
    bool active = false;
    bool closed = false;
    Flow flow{};
    uint8_t* head = nullptr;
    uint32_t gsoBytes = 0;
    uint32_t totalPayloadBytes = 0;
    uint32_t packets = 0;
    uint32_t nextSequence = 0;
    uint8_t lastFlags = 0;
    VnetHeader vnet{};
    std::array<iovec, kMaxPackets + 2> parts{};
  };
  enum class Match { none, sameFlow, append };

  bool classify(std::span<const uint8_t> packet, const IpHeader& header, Flow& flow) const;
  bool joinable(std::span<const uint8_t> packet, const Flow& flow) const;
  static bool checksumValid(std::span<const uint8_t> packet, const Flow& flow);
  static bool sameAddresses(const Run& run, const uint8_t* packet, uint8_t version);
  static bool sameFlow(const Run& run, const uint8_t* packet, const Flow& flow);
  static bool follows(const Run& run, const uint8_t* packet, const Flow& flow);
  void start(Run& run, std::span<uint8_t> packet, const Flow& flow);
  static void append(Run& run, uint8_t* packet, const Flow& flow);
  void writeRun(Run& run);
  void writeSingle(std::span<uint8_t> packet);

  CoalescerSink& sink_;
  CoalescerFeatures features_;
  std::array<Run, kMaxRuns> runs_{};
  uint32_t nextVictim_ = 0;
};

}  // namespace beam::packet
