# The native parts. Built by scripts/buildNative.sh into build/Release.
{
  'variables': {
    'beam_warnings': [
      '-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Werror',
    ],
  },
  'target_defaults': {
    'cflags!': ['-Wno-unused-parameter'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': [
      '-std=c++20', '-fno-exceptions', '-fno-rtti', '-fvisibility=hidden', '<@(beam_warnings)',
    ],
  },
  'targets': [
    {
      # TUN, UDP, clocks and memory for src/platform.
      'target_name': 'beam_io',
      'sources': [
        'addon/device.cc',
        'addon/module.cc',
        'addon/napi.cc',
        'addon/process.cc',
        'addon/tun.cc',
        'addon/udp.cc',
        'sys/link.cc',
        'sys/netlinkMessage.cc',
        'sys/netns.cc',
        'sys/process.cc',
        'sys/route.cc',
        'sys/tun.cc',
        'sys/udp.cc',
      ],
    },
    {
      # The data plane, in a thread of its own.
      'target_name': 'beam_engine',
      'include_dirs': ['engine'],
      'cflags': ['-O3'],
      'cflags!': ['-O2'],
      'cflags_cc': ['-Wno-missing-field-initializers'],
      'sources': [
        'engine/binding.cc',
        'engine/cipher/choose.cc',
        'engine/cipher/evp.cc',
        'engine/cipher/ipsecMb.cc',
        'engine/cipher/nullForBench.cc',
        'engine/core/device.cc',
        'engine/core/loop.cc',
        'engine/core/outbox.cc',
        'engine/core/peers.cc',
        'engine/core/receiver.cc',
        'engine/core/sendQueue.cc',
        'engine/core/transmitter.cc',
        'engine/packet/allowedIps.cc',
        'engine/packet/blake2s.cc',
        'engine/packet/checksum.cc',
        'engine/packet/coalescer.cc',
        'engine/packet/controlGate.cc',
        'engine/packet/ip.cc',
        'engine/packet/replayWindow.cc',
        'engine/packet/segmenter.cc',
        'engine/probe/probe.cc',
        'engine/sys/lockedMemory.cc',
        'engine/sys/tun.cc',
        'engine/sys/udp.cc',
        'sys/link.cc',
        'sys/netlinkMessage.cc',
        'sys/netns.cc',
        'sys/tun.cc',
      ],
    },
  ],
}
