#include "test/packets.h"

#include <algorithm>

#include "packet/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace beam::test {

using namespace packet;

namespace {

void writeIp(uint8_t* ip, const Shape& shape, uint32_t totalBytes) {
  if (shape.version == 4) {
    ip[0] = 0x45;
    ip[1] = shape.trafficClass;
    storeBe16(ip + 2, static_cast<uint16_t>(totalBytes));
    storeBe16(ip + 4, shape.id);
    storeBe16(ip + 6, shape.dontFragment ? 0x4000 : 0);
    ip[8] = 64;
    ip[9] = shape.tcp ? kProtocolTcp : kProtocolUdp;
    const uint8_t addresses[8] = {10, 7, 0, 1, 10, 7, 0, 2};
    std::copy_n(addresses, 8, ip + 12);
    storeIpv4Checksum({ip, 20});
    return;
  }
  storeBe32(ip, 0x60000000u | (uint32_t{shape.trafficClass} << 20) | 0x12345);
  storeBe16(ip + 4, static_cast<uint16_t>(totalBytes - 40));
  ip[6] = shape.tcp ? kProtocolTcp : kProtocolUdp;
  ip[7] = 64;
  for (int i = 0; i < 32; i++) ip[8 + i] = static_cast<uint8_t>(i < 2 ? 0xfd : 0);
  ip[8] = ip[24] = 0xfd;
  ip[9] = ip[25] = 0x07;
  ip[23] = 1;
  ip[39] = 2;
}

void writeTcp(uint8_t* tcp, const Shape& shape, Random& random) {
  storeBe16(tcp, shape.sourcePort);
  storeBe16(tcp + 2, 5201);
  storeBe32(tcp + 4, shape.sequence);
  storeBe32(tcp + 8, 0x01020304);
  tcp[12] = static_cast<uint8_t>(((20 + shape.tcpOptionBytes) / 4) << 4);
  tcp[13] = shape.tcpFlags;
  storeBe16(tcp + 14, 501);
  for (int i = 0; i < shape.tcpOptionBytes; i++) {
    tcp[20 + i] = static_cast<uint8_t>(i < 2 ? 1 : random.next());
  }
}

}  // namespace

SuperPacket makePacket(const Shape& shape, Random& random) {
  const uint32_t ipBytes = shape.version == 4 ? 20 : 40;
  const uint32_t l4Bytes = shape.tcp ? 20u + shape.tcpOptionBytes : 8u;
  const uint32_t total = ipBytes + l4Bytes + shape.payloadBytes;
  SuperPacket made{{}, std::vector<uint8_t>(total)};
  uint8_t* ip = made.bytes.data();
  uint8_t* l4 = ip + ipBytes;
  writeIp(ip, shape, total);
  if (shape.tcp) {
    writeTcp(l4, shape, random);
  } else {
    storeBe16(l4, shape.sourcePort);
    storeBe16(l4 + 2, 5201);
    storeBe16(l4 + 4, static_cast<uint16_t>(total - ipBytes));
  }
  for (uint32_t i = 0; i < shape.payloadBytes; i++) {
    l4[l4Bytes + i] = static_cast<uint8_t>(random.next());
  }
  const std::span<const uint8_t> addresses =
      shape.version == 4 ? std::span<const uint8_t>{ip + 12, 8} : std::span<const uint8_t>{ip + 8, 32};
  const uint8_t protocol = shape.tcp ? kProtocolTcp : kProtocolUdp;
  const uint32_t field = shape.tcp ? 16 : 6;
  const uint64_t pseudo = pseudoHeaderSum(addresses, protocol, total - ipBytes);
  if (shape.payloadBytes <= shape.gsoBytes) {
    const auto sum = static_cast<uint16_t>(
        ~checksumFold(checksumAdd({l4, l4Bytes + shape.payloadBytes}, pseudo)));
    storeRaw<uint16_t>(l4 + field, sum == 0 ? uint16_t{0xffff} : sum);
    return made;
  }
  storeRaw(l4 + field, checksumFold(pseudo));
  made.vnet.flags = kVnetNeedsChecksum;
  made.vnet.gsoType = shape.tcp ? (shape.version == 4 ? kGsoTcp4 : kGsoTcp6) : kGsoUdpL4;
  made.vnet.headerBytes = static_cast<uint16_t>(ipBytes + l4Bytes);
  made.vnet.gsoBytes = shape.gsoBytes;
  made.vnet.checksumStart = static_cast<uint16_t>(ipBytes);
  made.vnet.checksumOffset = static_cast<uint16_t>(field);
  return made;
}

Shape randomShape(Random& random) {
  Shape shape;
  shape.version = random.chance(50) ? 4 : 6;
  shape.tcp = random.chance(60);
  shape.tcpOptionBytes = static_cast<uint8_t>(random.below(11) * 4);
  const uint32_t kinds[] = {1 + random.below(300), 200 + random.below(1300),
                            1000 + random.below(8000)};
  shape.gsoBytes = static_cast<uint16_t>(kinds[random.below(3)]);
  // As many as one run takes: the coalescer then gives back one packet.
  const uint32_t most = shape.tcp ? 126 : 64;
  const uint32_t room = 65535 - 120;
  const uint32_t segments = 1 + random.below(std::min<uint32_t>(most, room / shape.gsoBytes));
  shape.payloadBytes = (segments - 1) * shape.gsoBytes + 1 + random.below(shape.gsoBytes);
  shape.trafficClass = static_cast<uint8_t>(random.next());
  shape.tcpFlags = random.chance(30) ? 0x18 : 0x10;
  shape.dontFragment = random.chance(80);
  shape.sourcePort = static_cast<uint16_t>(1024 + random.below(60000));
  shape.sequence = static_cast<uint32_t>(random.next());
  shape.id = static_cast<uint16_t>(random.next() | 1);
  return shape;
}

}  // namespace beam::test
