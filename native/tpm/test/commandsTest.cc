// native/tpm without Node.js: frames, and every command on a TPM that run.sh started, with right and
// with wrong requests.
#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "../../test/check.h"
#include "../commands.h"

namespace {

using namespace beam::tpm;
using beam::test::Register;
using Bytes = std::vector<std::uint8_t>;

const char* noTpm() { return std::getenv("BEAM_TPM_TCTI") == nullptr ? "no swtpm here" : nullptr; }

/** The parts of a request, one after the other. */
class Request {
 public:
  Request& number(std::uint64_t value, int byteCount) {
    for (int i = byteCount - 1; i >= 0; i--) bytes_.push_back(value >> (8 * i) & 0xff);
    return *this;
  }
  Request& sized(const Bytes& part) {
    number(part.size(), 2);
    bytes_.insert(bytes_.end(), part.begin(), part.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

struct Outcome {
  Failure failure;
  Bytes answer;
};

struct Opened {
  Opened() { CHECK_EQUAL(tpm.open(*loadLibrary().library, std::getenv("BEAM_TPM_TCTI")).code, 0u); }

  Outcome run(const char* name, const Bytes& request) {
    auto in = std::make_unique<Frame>();
    auto out = std::make_unique<Frame>();
    CHECK(in->assign(request));
    const Command* const command = findCommand(name);
    CHECK(command != nullptr);
    const Failure failure = runCommand(tpm, *command, *in, *out);
    const auto bytes = out->bytes();
    return {failure, Bytes(bytes.begin(), bytes.end())};
  }

  Bytes must(const char* name, const Request& request) {
    const Outcome outcome = run(name, request.bytes());
    if (outcome.failure.failed()) {
      std::printf("%s: %s 0x%x ", name, outcome.failure.step, outcome.failure.code);
    }
    CHECK(!outcome.failure.failed());
    return outcome.answer;
  }

  Tpm tpm;
};

const Bytes kNothing;

/** TPMT_PUBLIC of a P-256 key without a point. */
Bytes eccTemplate(std::uint32_t attributes, bool isStorage) {
  Request area;
  area.number(0x0023, 2).number(0x000b, 2).number(attributes, 4).sized(kNothing);
  if (isStorage) area.number(0x0006, 2).number(128, 2).number(0x0043, 2).number(0x0010, 2);
  if (!isStorage) area.number(0x0010, 2).number(0x0018, 2).number(0x000b, 2);
  area.number(0x0003, 2).number(0x0010, 2).sized(kNothing).sized(kNothing);
  return area.bytes();
}

constexpr std::uint32_t kHandle = 0x81000001;
constexpr std::uint32_t kIndex = 0x0180beac;

/** The content of the TPM2B at `at`, which is moved behind it. */
Bytes sizedAt(const Bytes& answer, std::size_t& at) {
  const std::size_t size = static_cast<std::size_t>(answer[at] << 8 | answer[at + 1]);
  const auto begin = answer.begin() + static_cast<std::ptrdiff_t>(at) + 2;
  at += 2 + size;
  return Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
}

/** The storage key's name; made if it isn't there. */
Bytes storageName(Opened& opened) {
  const Outcome found = opened.run("readPublic", Request().number(kHandle, 4).bytes());
  std::size_t at = 0;
  if (!found.failure.failed()) {
    (void)sizedAt(found.answer, at);
    return sizedAt(found.answer, at);
  }
  Request request;
  request.number(0x40000001, 4).sized(kNothing).sized(eccTemplate(0x00030472, true));
  const Bytes made = opened.must("createPrimary", request.number(kHandle, 4));
  (void)sizedAt(made, at);
  return sizedAt(made, at);
}

const Register readersStop{"a reader that ran over the end gives zeros", [] {
  const std::array<std::uint8_t, 5> bytes{0, 9, 1, 2, 3};
  Reader reader(bytes);
  CHECK(reader.sized().empty());
  CHECK(!reader.ok());
  CHECK_EQUAL(reader.number32(), 0u);
  CHECK(!reader.finished());
}};

const Register framesEnd{"a frame takes its whole size, and no byte more", [] {
  const auto frame = std::make_unique<Frame>();
  CHECK(frame->assign(Bytes(kFrameBytes)));
  CHECK(!frame->assign(Bytes(kFrameBytes + 1)));
  Writer writer(*frame);
  writer.sized(Bytes(kFrameBytes - 2));
  CHECK(writer.ok());
  writer.number8(1);
  CHECK(!writer.ok());
}};

const Register signs{"keys, signatures and the counter: each gives back what it took", [] {
  Opened opened;
  const Bytes name = storageName(opened);
  Request create;
  create.number(kHandle, 4).sized(name).sized(kNothing).sized(kNothing);
  const Bytes key = opened.must("create", create.sized(eccTemplate(0x00040472, false)));
  std::size_t at = 0;
  const Bytes secret = sizedAt(key, at);
  const Bytes area = sizedAt(key, at);
  Request sign;
  sign.number(kHandle, 4).sized(name).sized(secret).sized(area).sized(kNothing);
  CHECK_EQUAL(opened.must("sign", sign.sized(Bytes(32, 7))).size(), 72u);
  Request other;
  Bytes wrongName = name;
  wrongName.back() ^= 1;
  other.number(kHandle, 4).sized(wrongName).sized(secret).sized(area).sized(kNothing);
  CHECK_EQUAL(opened.run("sign", other.sized(Bytes(32, 7)).bytes()).failure.code, kWrongParent);

  Request index;
  index.number(kIndex, 4).number(0x000b, 2).number(0x02040014, 4).sized(kNothing).number(8, 2);
  Request define;
  define.number(kHandle, 4).sized(name).sized(kNothing).sized(kNothing).sized(index.bytes());
  (void)opened.must("nvDefine", define);
  Request place;
  place.number(kHandle, 4).sized(name).number(kIndex, 4).sized(kNothing);
  (void)opened.must("nvIncrement", place);
  CHECK_EQUAL(opened.must("nvRead", place.number(8, 2)).size(), 10u);
  (void)opened.must("nvUndefine", Request().number(kIndex, 4).sized(kNothing));
  // No loaded object is left.
  const Bytes left =
      opened.must("capability", Request().number(1, 4).number(0x80000000, 4).number(8, 4));
  CHECK_EQUAL(left.size(), 9u);
}, noTpm};

const Register closes{"a connection is closed twice, and opened at nothing", [] {
  Opened opened;
  opened.tpm.close();
  opened.tpm.close();
  CHECK(!opened.tpm.isOpen());
  Tpm nowhere;
  CHECK(nowhere.open(*loadLibrary().library, "device:/nonexistent").failed());
  CHECK(!nowhere.isOpen());
}, noTpm};

const Register survives{"no request, however wrong, does harm", [] {
  Opened opened;
  const Bytes name = storageName(opened);
  const unsigned seed = std::random_device{}();
  std::printf("seed %u ... ", seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; i++) {
    const Command& command = kCommands[random() % std::size(kCommands)];
    Request request;
    // Half of them begin as a right one does.
    if (random() % 2 == 0) request.number(kHandle, 4).sized(name);
    Bytes bytes = request.bytes();
    const std::size_t more = random() % 300;
    for (std::size_t j = 0; j < more; j++) {
      bytes.push_back(static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 256 : random() % 3));
    }
    (void)opened.run(command.name, bytes);
  }
  const Request works = Request().number(6, 4).number(0x100, 4).number(1, 4);
  CHECK(!opened.must("capability", works).empty());
}, noTpm};

}  // namespace

int main() { return beam::test::runAll(); }
