// Peers: paths, allowed-IPs, keys, packets.
#include <vector>

#include "binding/arguments.h"
#include "binding/records.h"

namespace beam::binding {

namespace {

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
 * receiveKey, createdAtMs, rekeyAfterMessages, sendAtMostMessages, rejectAfterMessages,
 * dropAfterForgeries, rekeyAfterMs or -1, rekeyOnReceiveAfterMs or -1, rejectAfterMs).
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
  session.limits.sendAtMostMessages = arguments.bigint();
  session.limits.rejectAfterMessages = arguments.bigint();
  session.limits.dropAfterForgeries = arguments.bigint();
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

}  // namespace

void definePeers(napi_env env, napi_value exports) {
  constexpr Export kFunctions[] = {
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
      {"countControlReceived", countControlReceived},
      {"traffic", traffic},
  };
  defineFunctions(env, exports, kFunctions);
}

}  // namespace beam::binding
