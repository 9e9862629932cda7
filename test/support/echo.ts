// ICMP echo as bytes: the test is the far end of a ping.

/** True for an IPv4 echo request, or an IPv6 one without extension headers. */
export function isEchoRequest(packet: Buffer): boolean {
  if (packet[0] === 0x45) return packet[9] === 1 && packet[20] === 8;
  return packet[0]! >> 4 === 6 && packet[6] === 58 && packet[40] === 128;
}

/** Addresses swapped and the type changed; swapping leaves every checksum right. */
export function echoReply(request: Buffer): Buffer {
  const reply = Buffer.from(request);
  const isV4 = request[0] === 0x45;
  const [source, bytes] = isV4 ? [12, 4] : [8, 16];
  request.copy(reply, source, source + bytes, source + 2 * bytes);
  request.copy(reply, source + bytes, source, source + bytes);
  const icmp = isV4 ? 20 : 40;
  const delta = isV4 ? 0x0800 : -0x0100;
  reply[icmp] = isV4 ? 0 : 129;
  // RFC 1624: the sum's complement changes by what the type's word lost.
  const sum = reply.readUInt16BE(icmp + 2) + delta;
  const folded = sum < 0 ? sum + 0xffff : sum > 0xffff ? sum - 0xffff : sum;
  reply.writeUInt16BE(folded, icmp + 2);
  return reply;
}
