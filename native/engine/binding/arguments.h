// A call's arguments in C++ types, and the engine behind the external among them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "binding/napi.h"
#include "core/device.h"

namespace beam::binding {

using core::Device;
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

inline constexpr napi_type_tag kHandleTag = {0x6265616d656e6769, 0x6e652d6465766963};

/** A call's arguments, read in order; the first that doesn't fit leaves a TypeError pending. */
class Arguments {
 public:
  static constexpr size_t kMax = 20;
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

}  // namespace beam::binding
