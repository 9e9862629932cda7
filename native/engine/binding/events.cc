#include "binding/events.h"

#include <vector>

#include "binding/arguments.h"

namespace beam::binding {

namespace {

using core::Event;
using core::EventKind;

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

}  // namespace

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

}  // namespace beam::binding
