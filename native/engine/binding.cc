// The only file that knows Node: arguments in, objects out. A negative number in an answer is an
// errno; a wrong argument is a TypeError, as src/platform/nativeEngineAddon.ts is the only caller.
#define NAPI_VERSION 8
#include <node_api.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/limits.h"
#include "probe/probe.h"

namespace beam {
namespace {

using core::Device;
using core::Event;
using core::EventKind;
using core::PeerRef;

/** What an External points to; shared with the wake-up, which may outlive either. */
struct Handle {
  std::unique_ptr<Device> device;
  napi_threadsafe_function wake = nullptr;

  void close() {
    device.reset();
    if (wake != nullptr) napi_release_threadsafe_function(wake, napi_tsfn_abort);
    wake = nullptr;
  }
};
using SharedHandle = std::shared_ptr<Handle>;

constexpr napi_type_tag kHandleTag = {0x6265616d656e6769, 0x6e652d6465766963};

/** A call's arguments, read in order; the first that doesn't fit leaves a TypeError pending. */
class Arguments {
 public:
  static constexpr size_t kMax = 16;
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr);
  }

  bool ok() const { return ok_; }
  napi_env env() const { return env_; }

  napi_value value() {
    if (at_ >= std::min(count_, kMax)) return fail("too few arguments");
    return values_[at_++];
  }

  bool isNull() const {
    napi_valuetype type = napi_undefined;
    if (at_ < count_) napi_typeof(env_, values_[at_], &type);
    return type == napi_null;
  }

  bool isString() const {
    napi_valuetype type = napi_undefined;
    if (at_ < count_) napi_typeof(env_, values_[at_], &type);
    return type == napi_string;
  }

  void skip() { at_++; }

  double number() {
    double result = 0;
    if (napi_get_value_double(env_, value(), &result) != napi_ok) fail("expected a number");
    return result;
  }

  uint32_t u32() {
    const double result = number();
    if (!(result >= 0 && result <= UINT32_MAX) || result != std::floor(result)) {
      fail("expected a 32-bit unsigned integer");
      return 0;
    }
    return static_cast<uint32_t>(result);
  }

  bool boolean() {
    bool result = false;
    if (napi_get_value_bool(env_, value(), &result) != napi_ok) fail("expected a boolean");
    return result;
  }

  uint64_t bigint() {
    uint64_t result = 0;
    bool lossless = false;
    if (napi_get_value_bigint_uint64(env_, value(), &result, &lossless) != napi_ok || !lossless) {
      fail("expected a 64-bit unsigned bigint");
    }
    return result;
  }

  std::string string() {
    char text[256];
    size_t bytes = 0;
    if (napi_get_value_string_utf8(env_, value(), text, sizeof text, &bytes) != napi_ok) {
      fail("expected a string");
    }
    return {text, bytes};
  }

  std::span<uint8_t> bytes() {
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, value(), &type, &length, &data, nullptr, nullptr) !=
            napi_ok ||
        type != napi_uint8_array) {
      fail("expected a Uint8Array");
      return {};
    }
    return {static_cast<uint8_t*>(data), length};
  }

  template <size_t Bytes>
  std::array<uint8_t, Bytes> exactly() {
    std::array<uint8_t, Bytes> result{};
    const auto given = bytes();
    if (given.size() == Bytes) {
      std::copy(given.begin(), given.end(), result.begin());
    } else {
      fail("a Uint8Array of another length");
    }
    return result;
  }

  Device* device() {
    const napi_value value = this->value();
    void* data = nullptr;
    bool ours = false;
    if (!ok_ || napi_check_object_type_tag(env_, value, &kHandleTag, &ours) != napi_ok || !ours ||
        napi_get_value_external(env_, value, &data) != napi_ok) {
      fail("expected an engine");
      return nullptr;
    }
    handle_ = *static_cast<SharedHandle*>(data);
    if (handle_->device == nullptr) fail("the engine is closed");
    return handle_->device.get();
  }
  Handle* handle() const { return handle_.get(); }

  PeerRef peer() {
    const uint32_t slot = u32();
    return {slot, u32()};
  }

  packet::PathRecord path() {
    packet::PathRecord record;
    const auto bytes = exactly<sizeof record>();
    std::memcpy(&record, bytes.data(), sizeof record);
    // TypeScript keeps a note of its own there.
    record.reserved = 0;
    return record;
  }

  std::nullptr_t fail(const char* message) {
    if (ok_) napi_throw_type_error(env_, "ERR_INVALID_ARG", message);
    ok_ = false;
    return nullptr;
  }

 private:
  napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax] = {};
  size_t at_ = 0;
  bool ok_ = true;
  SharedHandle handle_;
};

// Values for JavaScript.

napi_value jsNumber(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value jsBoolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value jsBigint(napi_env env, uint64_t value) {
  napi_value result;
  napi_create_bigint_uint64(env, value, &result);
  return result;
}

napi_value jsString(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value jsBytes(napi_env env, const void* data, size_t bytes) {
  napi_value result;
  napi_create_buffer_copy(env, bytes, data, nullptr, &result);
  return result;
}

napi_value jsNull(napi_env env) {
  napi_value result;
  napi_get_null(env, &result);
  return result;
}

/** CLOCK_BOOTTIME in milliseconds, as the addon's clock gives it; null for never. */
napi_value jsTime(napi_env env, uint64_t ns) {
  return ns == 0 ? jsNull(env) : jsNumber(env, static_cast<double>(ns) / 1e6);
}

class Object {
 public:
  explicit Object(napi_env env) : env_(env) { napi_create_object(env, &value_); }
  Object& set(const char* name, napi_value value) {
    napi_set_named_property(env_, value_, name, value);
    return *this;
  }
  napi_value value() const { return value_; }

 private:
  napi_env env_;
  napi_value value_;
};

napi_value jsEvent(napi_env env, const Event& event) {
  Object object(env);
  object.set("kind", jsNumber(env, static_cast<double>(event.kind)))
      .set("slot", jsNumber(env, event.peer.slot))
      .set("generation", jsNumber(env, event.peer.generation));
  switch (event.kind) {
    case EventKind::controlReceived:
      object.set("bytes", jsBytes(env, event.datagram.data(), event.bytes))
          .set("path", jsBytes(env, &event.path, sizeof event.path));
      break;
    case EventKind::roamed:
      object.set("path", jsBytes(env, &event.path, sizeof event.path));
      break;
    case EventKind::activity:
      object.set("dataSentAt", jsTime(env, event.timesNs[0]))
          .set("authenticatedSentAt", jsTime(env, event.timesNs[1]))
          .set("dataReceivedAt", jsTime(env, event.timesNs[2]))
          .set("authenticatedReceivedAt", jsTime(env, event.timesNs[3]));
      break;
    case EventKind::keysConfirmed:
    case EventKind::keysDropped:
      object.set("localIndex", jsNumber(env, event.localIndex));
      break;
    case EventKind::linkChanged:
      object.set("up", jsBoolean(env, event.up)).set("mtu", jsNumber(env, event.mtu));
      break;
    case EventKind::notice:
      object.set("text", jsString(env, event.text));
      break;
    case EventKind::keysNeeded:
    case EventKind::tunClosed:
      break;
  }
  return object.value();
}

/** On JavaScript's thread, after a wake-up. */
void deliver(napi_env env, napi_value callback, void* context, void*) {
  const SharedHandle handle = *static_cast<SharedHandle*>(context);
  if (env == nullptr || handle->device == nullptr) return;
  const std::vector<Event> events = handle->device->takeEvents();
  if (events.empty()) return;
  napi_value batch;
  napi_create_array_with_length(env, events.size(), &batch);
  for (size_t i = 0; i < events.size(); i++) {
    napi_set_element(env, batch, static_cast<uint32_t>(i), jsEvent(env, events[i]));
  }
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, callback, 1, &batch, nullptr);
}


void closeShared(napi_env, void* shared, void*) {
  auto* handle = static_cast<SharedHandle*>(shared);
  (*handle)->close();
  delete handle;
}

/**
 * open(name, fd, or null for a socket pair, mtu or 0, cipher, tunTcp, tunUdp, udpSegment, seed, onEvents): an engine, a negative errno,
 * or a reason.
 */
napi_value open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  core::DeviceOptions options;
  if (arguments.isNull()) {
    arguments.skip();
    options.pair = true;
    options.pairVnet = true;
  } else if (arguments.isString()) {
    options.name = arguments.string();
  } else {
    options.tunFd = static_cast<int>(arguments.u32());
  }
  options.mtu = arguments.u32();
  options.cipher = static_cast<cipher::Choice>(arguments.u32());
  options.switches.tunTcp = arguments.boolean();
  options.switches.tunUdp = arguments.boolean();
  options.switches.udpSegment = arguments.boolean();
  options.seed = arguments.bigint();
  const napi_value callback = arguments.value();
  if (!arguments.ok()) return nullptr;

  auto handle = std::make_shared<Handle>();
  napi_value name = jsString(env, "beam-engine");
  if (napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr,
                                      new SharedHandle(handle), deliver, &handle->wake) !=
      napi_ok) {
    arguments.fail("expected a function");
    return nullptr;
  }
  // The engine's thread ends before its wake-up does.
  const napi_threadsafe_function wake = handle->wake;
  options.wake = [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); };
  std::string reason;
  const int outcome = Device::open(std::move(options), handle->device, reason);
  if (outcome < 0) {
    handle->close();
    return reason.empty() ? jsNumber(env, outcome) : jsString(env, reason);
  }
  napi_value external;
  napi_create_external(env, new SharedHandle(handle), closeShared, nullptr, &external);
  napi_type_tag_object(env, external, &kHandleTag);
  return external;
}

napi_value close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  if (arguments.device() != nullptr) arguments.handle()->close();
  return nullptr;
}

napi_value name(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Device* device = arguments.device();
  return arguments.ok() ? jsString(env, device->name()) : nullptr;
}

napi_value bind(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const uint32_t port = arguments.u32();
  return arguments.ok() ? jsNumber(env, device->bind(static_cast<uint16_t>(port))) : nullptr;
}

napi_value unbind(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (arguments.ok()) device->unbind();
  return nullptr;
}

napi_value setMark(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const uint32_t mark = arguments.u32();
  return arguments.ok() ? jsNumber(env, device->setMark(mark)) : nullptr;
}

napi_value setLocalPublicKey(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  std::optional<std::array<uint8_t, 32>> key;
  if (!arguments.isNull()) key = arguments.exactly<32>();
  if (arguments.ok()) device->setLocalPublicKey(key);
  return nullptr;
}

/** The calls that take an engine and a peer and nothing else. */
template <void (Device::*Method)(PeerRef)>
napi_value ofPeer(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  if (arguments.ok()) (device->*Method)(peer);
  return nullptr;
}

/** setPath(engine, slot, generation, record or null). */
napi_value setPath(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  packet::PathRecord path{};
  if (!arguments.isNull()) path = arguments.path();
  if (arguments.ok()) device->setPath(peer, path);
  return nullptr;
}

constexpr size_t kAllowedIpBytes = 18;

/** Records of family, length and 16 address bytes. */
std::vector<core::AllowedIp> allowedIps(Arguments& arguments) {
  const auto bytes = arguments.bytes();
  std::vector<core::AllowedIp> entries;
  if (bytes.size() % kAllowedIpBytes != 0) arguments.fail("expected allowed-IP records");
  for (size_t at = 0; arguments.ok() && at < bytes.size(); at += kAllowedIpBytes) {
    const uint8_t version = bytes[at] == 4 ? 4 : 6;
    entries.push_back({version, bytes[at + 1], packet::addressBits(&bytes[at + 2], version)});
    if (bytes[at + 1] > (version == 4 ? 32 : 128)) arguments.fail("a prefix that is too long");
  }
  return entries;
}

/** changeAllowedIps(engine, slot, generation, replace, removed, added). */
napi_value changeAllowedIps(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  const bool replace = arguments.boolean();
  auto removed = allowedIps(arguments);
  auto added = allowedIps(arguments);
  if (arguments.ok()) {
    device->changeAllowedIps(peer, replace, std::move(removed), std::move(added));
  }
  return nullptr;
}

uint64_t nsOf(double ms) { return ms < 0 ? core::kNever : static_cast<uint64_t>(ms * 1e6); }

/**
 * installKeys(engine, slot, generation, initiator, localIndex, remoteIndex, suite, sendKey,
 * receiveKey, createdAtMs, rekeyAfterMessages, rejectAfterMessages, rekeyAfterMs or -1,
 * rekeyOnReceiveAfterMs or -1, rejectAfterMs).
 */
napi_value installKeys(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  core::NewSession session{};
  session.initiator = arguments.boolean();
  session.localIndex = arguments.u32();
  session.remoteIndex = arguments.u32();
  session.suite = arguments.u32() == 0 ? packet::Suite::chacha20Poly1305
                                       : packet::Suite::aes256Gcm;
  const auto sendKey = arguments.bytes();
  const auto receiveKey = arguments.bytes();
  session.createdNs = nsOf(arguments.number());
  session.limits.rekeyAfterMessages = arguments.bigint();
  session.limits.rejectAfterMessages = arguments.bigint();
  session.limits.rekeyAfterNs = nsOf(arguments.number());
  session.limits.rekeyOnReceiveAfterNs = nsOf(arguments.number());
  session.limits.rejectAfterNs = nsOf(arguments.number());
  if (sendKey.size() != packet::kKeyBytes || receiveKey.size() != packet::kKeyBytes) {
    arguments.fail("keys have 32 bytes");
  }
  if (!arguments.ok()) return nullptr;
  using Key = std::span<const uint8_t, packet::kKeyBytes>;
  device->installKeys(peer, session, Key(sendKey), Key(receiveKey));
  return nullptr;
}

/** sendToPeer(engine, slot, generation, bytes, trafficClass). */
napi_value sendToPeer(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  const auto bytes = arguments.bytes();
  const uint32_t trafficClass = arguments.u32();
  if (arguments.ok()) device->sendToPeer(peer, bytes, static_cast<uint8_t>(trafficClass));
  return nullptr;
}

/** sendTo(engine, record, bytes, trafficClass). */
napi_value sendTo(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const packet::PathRecord path = arguments.path();
  const auto bytes = arguments.bytes();
  const uint32_t trafficClass = arguments.u32();
  if (arguments.ok()) device->sendTo(path, bytes, static_cast<uint8_t>(trafficClass));
  return nullptr;
}

/** countControlReceived(engine, slot, generation, bytes). */
napi_value countControlReceived(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  const uint32_t bytes = arguments.u32();
  if (arguments.ok()) device->countControlReceived(peer, bytes);
  return nullptr;
}

napi_value traffic(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const PeerRef peer = arguments.peer();
  if (!arguments.ok()) return nullptr;
  const core::Traffic traffic = device->traffic(peer);
  if (!traffic.known) return jsNull(env);
  const bool hasPath = traffic.path.family != 0;
  Object object(env);
  object.set("receivedBytes", jsBigint(env, traffic.receivedBytes))
      .set("sentBytes", jsBigint(env, traffic.sentBytes))
      .set("path", hasPath ? jsBytes(env, &traffic.path, sizeof traffic.path) : jsNull(env))
      .set("suite", traffic.hasSession ? jsNumber(env, static_cast<double>(traffic.suite))
                                       : jsNull(env))
      .set("createdAt", jsNumber(env, static_cast<double>(traffic.createdNs) / 1e6));
  return object.value();
}

napi_value stats(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (!arguments.ok()) return nullptr;
  const core::Stats stats = device->stats();
  Object drops(env);
  for (size_t i = 0; i < core::kDropReasons; i++) {
    drops.set(core::kDropReasonNames[i],
              jsNumber(env, static_cast<double>(stats.counters.drops[i])));
  }
  Object sendErrors(env);
  for (size_t i = 0; i < core::kErrnos; i++) {
    const uint64_t count = stats.counters.sendErrors[i];
    if (count == 0) continue;
    sendErrors.set(std::to_string(i).c_str(), jsNumber(env, static_cast<double>(count)));
  }
  Object features(env);
  features.set("cipher", jsString(env, stats.cipher))
      .set("cipherNote", jsString(env, stats.cipherNote))
      .set("offloadProbe", jsString(env, stats.offloadProbe))
      .set("tunVnetHeader", jsBoolean(env, stats.vnetHeader))
      .set("tunTcpSegmentation", jsBoolean(env, stats.tunTcp))
      .set("tunUdpSegmentation", jsBoolean(env, stats.tunUdp))
      .set("tcpCoalescing", jsBoolean(env, stats.joinTcp))
      .set("udpCoalescing", jsBoolean(env, stats.joinUdp))
      .set("udpSegment", jsBoolean(env, stats.udpSegment))
      .set("udpGro", jsBoolean(env, stats.udpGro))
      .set("keysLocked", jsBoolean(env, stats.keysLocked))
      .set("linkWatched", jsBoolean(env, stats.linkWatched));
  return Object(env)
      .set("drops", drops.value())
      .set("sendErrors", sendErrors.value())
      .set("features", features.value())
      .value();
}

/** pairWrite(engine, packet): the system sends a packet into an engine on a socket pair. */
napi_value pairWrite(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const auto bytes = arguments.bytes();
  return arguments.ok() ? jsBoolean(env, device->pairWrite(bytes)) : nullptr;
}

napi_value pairRead(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (!arguments.ok()) return nullptr;
  const auto packet = device->pairRead();
  return packet ? jsBytes(env, packet->data(), packet->size()) : jsNull(env);
}

napi_value pairLink(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  const bool up = arguments.boolean();
  const uint32_t mtu = arguments.u32();
  if (arguments.ok()) device->pairLink(up, mtu);
  return nullptr;
}

napi_value pairReport(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  if (arguments.ok()) device->pairReport();
  return nullptr;
}

/** pairFaults(engine, write, joinedWrite, send, segmentSend, localOnce): errnos, 0 for none. */
napi_value pairFaults(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  Device* device = arguments.device();
  kernel::Faults faults;
  for (int* fault : {&faults.write, &faults.joinedWrite, &faults.send, &faults.segmentSend}) {
    *fault = static_cast<int>(arguments.u32());
  }
  faults.localOnce = arguments.boolean();
  if (arguments.ok()) device->pairFaults(faults);
  return nullptr;
}

/** True if every cipher that this machine can run gives the known answers. */
napi_value selfCheck(napi_env env, napi_callback_info) {
  const auto evp = cipher::makeEvp();
  return jsBoolean(env, cipher::selfCheck(*evp));
}

/** probe(operation, input): the packet functions as they are, for tests against TypeScript's. */
napi_value probe(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t operation = arguments.u32();
  const auto input = arguments.bytes();
  if (!arguments.ok()) return nullptr;
  const auto output = probe::run(operation, input);
  if (!output) return jsNull(env);
  return jsBytes(env, output->data(), output->size());
}

napi_value constants(napi_env env) {
  Object object(env);
  const std::pair<const char*, uint32_t> all[] = {
      {"pathBytes", sizeof(packet::PathRecord)},
      {"allowedIpBytes", kAllowedIpBytes},
      {"transportHeaderBytes", packet::kTransportHeaderBytes},
      {"tagBytes", packet::kTagBytes},
      {"keyBytes", packet::kKeyBytes},
      {"paddingMultiple", packet::kPaddingMultiple},
      {"replayBits", packet::ReplayWindow::kBits},
      {"maxStagedPackets", core::kMaxStagedPackets},
      {"keysNeededIntervalMs", core::kKeysNeededIntervalNs / 1'000'000},
      {"initiationBytes", packet::kInitiationBytes},
      {"responseBytes", packet::kResponseBytes},
      {"cookieReplyBytes", packet::kCookieReplyBytes},
      {"eventKinds", static_cast<uint32_t>(EventKind::notice) + 1},
  };
  for (const auto& [key, value] : all) object.set(key, jsNumber(env, value));
  return object.value();
}

napi_value dropReasons(napi_env env) {
  napi_value names;
  napi_create_array_with_length(env, core::kDropReasons, &names);
  for (size_t i = 0; i < core::kDropReasons; i++) {
    napi_set_element(env, names, static_cast<uint32_t>(i), jsString(env, core::kDropReasonNames[i]));
  }
  return names;
}

napi_value initialize(napi_env env, napi_value exports) {
  const std::pair<const char*, napi_callback> functions[] = {
      {"open", open},
      {"close", close},
      {"name", name},
      {"bind", bind},
      {"unbind", unbind},
      {"setMark", setMark},
      {"setLocalPublicKey", setLocalPublicKey},
      {"addPeer", ofPeer<&Device::addPeer>},
      {"removePeer", ofPeer<&Device::removePeer>},
      {"setPath", setPath},
      {"clearLocalAddress", ofPeer<&Device::clearLocalAddress>},
      {"changeAllowedIps", changeAllowedIps},
      {"installKeys", installKeys},
      {"expireKeys", ofPeer<&Device::expireKeys>},
      {"dropKeys", ofPeer<&Device::dropKeys>},
      {"dropStaged", ofPeer<&Device::dropStaged>},
      {"sendKeepalive", ofPeer<&Device::sendKeepalive>},
      {"sendToPeer", sendToPeer},
      {"sendTo", sendTo},
      {"countControlReceived", countControlReceived},
      {"traffic", traffic},
      {"stats", stats},
      {"pairWrite", pairWrite},
      {"pairRead", pairRead},
      {"pairLink", pairLink},
      {"pairReport", pairReport},
      {"pairFaults", pairFaults},
      {"selfCheck", selfCheck},
      {"probe", probe},
  };
  for (const auto& [name, callback] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  napi_set_named_property(env, exports, "abi", jsNumber(env, core::kAbi));
  napi_set_named_property(env, exports, "constants", constants(env));
  napi_set_named_property(env, exports, "dropReasons", dropReasons(env));
  return exports;
}

}  // namespace
}  // namespace beam

NAPI_MODULE_INIT() { return beam::initialize(env, exports); }
