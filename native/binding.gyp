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
  ],
}
