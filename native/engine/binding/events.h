// What happened on the packet path, as JavaScript gets it.
#pragma once

#include "binding/napi.h"

namespace beam::binding {

/** On JavaScript's thread, after a wake-up. `context` is a SharedHandle. */
void deliver(napi_env env, napi_value callback, void* context, void*);

}  // namespace beam::binding
