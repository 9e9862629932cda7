#include "library.h"

#include <dlfcn.h>

#include <cstdio>

namespace beam::tpm {

namespace {

// Node.js exports an OpenSSL of its own, which tpm2-tss must not bind to in place of the system's:
// half of each would be used. AddressSanitizer refuses the flag; its test program has no OpenSSL.
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__)
constexpr int kOpenFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#else
constexpr int kOpenFlags = RTLD_NOW | RTLD_LOCAL;
#endif

char reasonText[256];

bool fail() noexcept {
  const char* const error = dlerror();
  (void)std::snprintf(reasonText, sizeof reasonText, "%s", error == nullptr ? "dlopen" : error);
  return false;
}

template <class Function>
bool find(void* file, const char* name, Function& function) noexcept {
  function = reinterpret_cast<Function>(dlsym(file, name));
  return function != nullptr || fail();
}

bool load(Library& library) noexcept {
  void* file = nullptr;
#define BEAM_TPM_OPEN(name) \
  if ((file = dlopen(name, kOpenFlags)) == nullptr) return fail();
#define BEAM_TPM_FIND(name) \
  if (!find(file, #name, library.name)) return false;
  BEAM_TPM_OPEN("libtss2-rc.so.0")
  BEAM_TPM_RC(BEAM_TPM_FIND)
  BEAM_TPM_OPEN("libtss2-mu.so.0")
  BEAM_TPM_MU(BEAM_TPM_FIND)
  BEAM_TPM_OPEN("libtss2-tctildr.so.0")
  BEAM_TPM_TCTI(BEAM_TPM_FIND)
  BEAM_TPM_OPEN("libtss2-esys.so.0")
  BEAM_TPM_ESYS(BEAM_TPM_FIND)
#undef BEAM_TPM_OPEN
#undef BEAM_TPM_FIND
  return true;
}

}  // namespace

LibraryLoad loadLibrary() noexcept {
  static Library library;
  static const bool isLoaded = load(library);
  return isLoaded ? LibraryLoad{&library, ""} : LibraryLoad{nullptr, reasonText};
}

}  // namespace beam::tpm
