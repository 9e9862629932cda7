// The little of Node-API that the bindings share. Only native/addon includes node_api.h.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace beam::addon {

// Node-API fails only for wrong arguments or a pending exception; where neither can be, a failure
// is a bug of this addon.
void must(napi_status status, const char* claim) noexcept;

[[nodiscard]] napi_value makeNumber(napi_env env, double value) noexcept;
[[nodiscard]] napi_value makeBoolean(napi_env env, bool value) noexcept;
[[nodiscard]] napi_value makeUndefined(napi_env env) noexcept;
/** 0, or the errno as a negative number. */
[[nodiscard]] napi_value makeOutcome(napi_env env, int error) noexcept;
/** Throws a TypeError; returns null, which a binding then returns. */
napi_value throwType(napi_env env, const char* expected) noexcept;

/** The arguments of a call; missing ones are undefined. Each reader gives nothing on a wrong type. */
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) noexcept;

  [[nodiscard]] napi_value at(std::size_t index) const noexcept { return values_[index]; }
  [[nodiscard]] napi_valuetype type(std::size_t index) const noexcept;
  [[nodiscard]] std::optional<std::uint32_t> uint32(std::size_t index) const noexcept;
  [[nodiscard]] std::optional<int> int32(std::size_t index) const noexcept;
  /** The bytes of a Uint8Array or Buffer; they stay where they are while it is referenced. */
  [[nodiscard]] std::optional<std::span<std::uint8_t>> bytes(std::size_t index) const noexcept;
  [[nodiscard]] std::optional<std::span<std::uint32_t>> words(std::size_t index) const noexcept;
  [[nodiscard]] void* external(std::size_t index) const noexcept;

 private:
  [[nodiscard]] void* elements(std::size_t index, napi_typedarray_type wanted,
                               std::size_t& length) const noexcept;

  napi_env env_;
  std::array<napi_value, 6> values_{};
};

/** A reference that keeps a JavaScript value, released with its owner. */
class Reference {
 public:
  Reference() noexcept = default;
  Reference(napi_env env, napi_value value) noexcept : env_(env) {
    must(napi_create_reference(env, value, 1, &reference_), "a reference can be made");
  }
  Reference(Reference&& other) noexcept
      : env_(other.env_), reference_(std::exchange(other.reference_, nullptr)) {}
  Reference& operator=(Reference&& other) noexcept {
    std::swap(env_, other.env_);
    std::swap(reference_, other.reference_);
    return *this;
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference() {
    if (reference_ != nullptr) napi_delete_reference(env_, reference_);
  }

  [[nodiscard]] napi_value value() const noexcept;

 private:
  napi_env env_ = nullptr;
  napi_ref reference_ = nullptr;
};

struct Export {
  const char* name;
  napi_callback function;
};

void defineFunctions(napi_env env, napi_value exports, std::span<const Export> functions) noexcept;

void defineProcess(napi_env env, napi_value exports) noexcept;
void defineTun(napi_env env, napi_value exports) noexcept;
void defineUdp(napi_env env, napi_value exports) noexcept;

}  // namespace beam::addon
