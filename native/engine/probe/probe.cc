#include "probe/probe.h"

#include <cstdlib>
#include <memory>

#include "cipher/backends.h"
#include "packet/allowedIps.h"
#include "packet/blake2s.h"
#include "packet/coalescer.h"
#include "packet/replayWindow.h"
#include "packet/segmenter.h"
#include "packet/wire.h"

namespace beam::probe {
namespace {

using Bytes = std::span<const uint8_t>;
using Answer = std::optional<std::vector<uint8_t>>;

/** Reads fields in order; past the end it reads zeros and remembers. */
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  Bytes rest() const { return rest_; }

  Bytes take(size_t bytes) {
    if (bytes > rest_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  uint8_t u8() {
    const Bytes at = take(1);
    return at.empty() ? 0 : at[0];
  }
  uint32_t u32() {
    const Bytes at = take(4);
    return at.empty() ? 0 : packet::loadLe32(at.data());
  }

 private:
  Bytes rest_;
  bool ok_ = true;
};

/** One answer byte (1 accepted, 0 not) for each 8-byte counter. */
Answer replay(Bytes input) {
  if (input.size() % 8 != 0) return std::nullopt;
  packet::ReplayWindow window;
  std::vector<uint8_t> answers;
  for (size_t at = 0; at < input.size(); at += 8) {
    answers.push_back(window.accept(packet::loadLe64(&input[at])) ? 1 : 0);
  }
  return answers;
}

/** Records: kind (0 insert, 1 remove, 2 remove peer, 3 look up), family, length, peer, address. */
Answer allowedIps(Bytes input) {
  packet::AllowedIps table;
  std::vector<uint8_t> answers;
  Reader reader(input);
  while (!reader.rest().empty()) {
    const uint8_t kind = reader.u8();
    const uint8_t version = reader.u8() == 4 ? 4 : 6;
    const uint32_t length = reader.u8();
    const uint32_t peer = reader.u32();
    const Bytes address = reader.take(16);
    if (!reader.ok() || length > (version == 4 ? 32 : 128) || peer > 0xffff) return std::nullopt;
    const packet::AddressBits bits = packet::addressBits(address.data(), version);
    if (kind == 0) table.insert(version, bits, length, peer);
    if (kind == 1) table.remove(version, bits, length, peer);
    if (kind == 2) table.removePeer(peer);
    if (kind == 3) {
      uint8_t found[4];
      packet::storeLe32(found, table.lookup(version, bits));
      answers.insert(answers.end(), found, found + 4);
    }
  }
  return answers;
}

void appendFramed(std::vector<uint8_t>& to, Bytes bytes) {
  uint8_t length[4];
  packet::storeLe32(length, static_cast<uint32_t>(bytes.size()));
  to.insert(to.end(), length, length + 4);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/** MTU, virtio-net header, packet; the answer is length-framed padded packets. */
Answer segment(Bytes input) {
  Reader reader(input);
  const uint32_t mtu = reader.u32();
  const Bytes header = reader.take(packet::kVnetHeaderBytes);
  const Bytes whole = reader.rest();
  if (!reader.ok() || whole.size() > packet::kMaxDatagramBytes) return std::nullopt;
  packet::VnetHeader vnet;
  std::memcpy(&vnet, header.data(), sizeof vnet);
  std::vector<uint8_t> buffer(whole.size() + packet::kPaddingMultiple);
  if (!whole.empty()) std::memcpy(buffer.data(), whole.data(), whole.size());
  packet::Segmenter segmenter;
  if (!segmenter.begin(vnet, {buffer.data(), whole.size()}, mtu)) return std::nullopt;
  std::vector<std::vector<uint8_t>> segments(segmenter.count());
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = pass; i < segmenter.count(); i += 2) {
      const auto placed = segmenter.place(i);
      segments[i].assign(placed.begin(), placed.end());
    }
    segmenter.restore();
  }
  std::vector<uint8_t> answer;
  for (const auto& one : segments) appendFramed(answer, one);
  return answer;
}

class Collect final : public packet::CoalescerSink {
 public:
  void write(std::span<const iovec> parts, uint32_t) override {
    std::vector<uint8_t> whole;
    for (const iovec& part : parts) {
      const auto* bytes = static_cast<const uint8_t*>(part.iov_base);
      whole.insert(whole.end(), bytes, bytes + part.iov_len);
    }
    appendFramed(answer, whole);
  }
  std::vector<uint8_t> answer;
};

/** Length-framed packets; the answer is length-framed virtio-net headers with packets. */
Answer coalesce(Bytes input) {
  std::vector<uint8_t> buffer(input.begin(), input.end());
  Collect sink;
  packet::Coalescer coalescer(sink);
  coalescer.setFeatures({true, true, true, true});
  size_t at = 0;
  while (buffer.size() - at >= 4) {
    const uint32_t length = packet::loadLe32(&buffer[at]);
    at += 4;
    if (length > buffer.size() - at) return std::nullopt;
    const std::span<uint8_t> whole(buffer.data() + at, length);
    at += length;
    const auto header = packet::parseIp(whole);
    if (header) coalescer.add(whole.first(header->totalBytes), *header);
  }
  coalescer.flush();
  return std::move(sink.answer);
}

struct FreeAligned {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};

/** Backend, suite, direction (0 seal, 1 open), key, nonce, associated data with its length, text. */
Answer aead(Bytes input) {
  Reader reader(input);
  const auto choice = static_cast<cipher::Choice>(reader.u8());
  const auto suite = reader.u8() == 0 ? packet::Suite::chacha20Poly1305 : packet::Suite::aes256Gcm;
  const bool opening = reader.u8() == 1;
  const Bytes key = reader.take(packet::kKeyBytes);
  const Bytes nonceBytes = reader.take(packet::kNonceBytes);
  const Bytes associated = reader.take(reader.u32());
  const Bytes text = reader.rest();
  if (!reader.ok() || choice == cipher::Choice::nullForBench) return std::nullopt;
  if (opening && text.size() < packet::kTagBytes) return std::nullopt;
  packet::Nonce nonce;
  std::memcpy(nonce.data(), nonceBytes.data(), nonce.size());
  std::string reason;
  auto backend = choice == cipher::Choice::ipsecMb ? cipher::makeIpsecMb(reason) : cipher::makeEvp();
  if (backend == nullptr) return std::nullopt;
  const size_t stateBytes = (backend->stateBytes(suite) + 63) & ~size_t{63};
  const std::unique_ptr<uint8_t, FreeAligned> state(
      static_cast<uint8_t*>(std::aligned_alloc(64, stateBytes)));
  backend->expand(suite, key.first<packet::kKeyBytes>(), state.get());
  std::vector<uint8_t> answer(text.begin(), text.end());
  bool right = true;
  if (opening) {
    packet::OpenJob job{answer.data(), static_cast<uint32_t>(answer.size()), 0, false};
    backend->openWith(suite, state.get(), nonce, associated, job);
    right = job.opened;
    answer.resize(answer.size() - packet::kTagBytes);
  } else {
    answer.resize(text.size() + packet::kTagBytes);
    packet::SealJob job{text.data(), static_cast<uint32_t>(text.size()), answer.data(), 0};
    backend->sealWith(suite, state.get(), nonce, associated, job);
  }
  backend->forget(state.get());
  return right ? Answer(std::move(answer)) : std::nullopt;
}

/** Output length, key length, key, message. */
Answer hash(Bytes input) {
  Reader reader(input);
  const uint8_t bytes = reader.u8();
  const uint8_t keyBytes = reader.u8();
  const Bytes key = reader.take(keyBytes);
  if (!reader.ok() || bytes == 0 || bytes > 32 || keyBytes > 32) return std::nullopt;
  std::vector<uint8_t> answer(bytes);
  packet::blake2s(answer, key, reader.rest());
  return answer;
}

}  // namespace

Answer run(uint32_t operation, Bytes input) {
  switch (operation) {
    case 0:
      return replay(input);
    case 1:
      return allowedIps(input);
    case 2:
      return segment(input);
    case 3:
      return coalesce(input);
    case 4:
      return aead(input);
    case 5:
      return hash(input);
    default:
      return std::nullopt;
  }
}

}  // namespace beam::probe
