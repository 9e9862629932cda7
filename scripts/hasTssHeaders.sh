#!/usr/bin/env bash
# Prints yes if this machine has the headers of tpm2-tss (libtss2-dev), which native/tpm is built
# against; else no.
echo '#include <tss2/tss2_esys.h>' | g++ -E -x c++ - >/dev/null 2>&1 && echo yes || echo no
