// The cipher implementations and the choice among them.
#pragma once
#include <memory>
#include <string>

#include "packet/aead.h"

namespace beam::cipher {

/** Node's own OpenSSL through its exported EVP functions; always there. */
std::unique_ptr<packet::CipherBackend> makeEvp();

/** Intel's ipsec-mb, opened at run time; null with a reason where it can't be used. */
std::unique_ptr<packet::CipherBackend> makeIpsecMb(std::string& reason);

/** Copies and does not encrypt. For the bench's upper bound; no configuration reaches it. */
std::unique_ptr<packet::CipherBackend> makeNullForBench();

enum class Choice : uint8_t { best = 0, evp = 1, ipsecMb = 2, nullForBench = 3 };

struct Chosen {
  std::unique_ptr<packet::CipherBackend> backend;
  /** Why a faster one was passed over; empty if none was. */
  std::string note;
};

/** Null backend if the choice is not to be had or fails its known answers. */
Chosen choose(Choice choice);

/** Known answers for both suites, sealing, opening and refusing. */
bool selfCheck(packet::CipherBackend& backend);

}  // namespace beam::cipher
