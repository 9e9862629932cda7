// The Perl program that holds a TUN descriptor for us where there is no addon: Node.js can't call
// ioctl, and a blocked fs.read on a TUN keeps the process from ever exiting. Every Debian has Perl.

/**
 * Frames, both ways: u32 in network order, kind in the highest byte and payload length below.
 * `packet` goes both ways; the others come from the relay.
 */
export const RELAY_FRAMES = {
  packet: 0,
  /** Up (u8), MTU (u32). */
  link: 1,
  /** The interface's name. */
  opened: 2,
  /** Errno (u32); the relay ends. */
  failed: 3,
} as const;
export const RELAY_HEADER_BYTES = 4;
/** The descriptors of the frames and of an inherited TUN in the relay. */
export const RELAY_STREAM_FD = 3;
export const RELAY_TUN_FD = 4;

/**
 * Run as `perl - NAME`, or `perl - ''` for the TUN in descriptor 4, with the program on stdin.
 * Ends when the stream or the interface does. Ioctl numbers are those of x86, ARM and RISC-V.
 */
export const RELAY_PROGRAM = String.raw`
use strict;
use warnings;
use Errno qw(EAGAIN EINTR EINVAL EPROTO);
use Fcntl qw(F_GETFL F_SETFL O_RDWR O_NONBLOCK);
use constant { TUNSETIFF => 0x400454ca, TUNGETIFF => 0x800454d2, TUNGETDEVNETNS => 0x54e3 };
use constant { SIOCGIFFLAGS => 0x8913, SIOCGIFMTU => 0x8921 };
use constant { IFF_UP => 1, IFF_TUN => 1, IFF_TAP => 2, IFF_NO_PI => 0x1000, IFF_VNET_HDR => 0x4000 };
use constant { AF_INET => 2, SOCK_DGRAM => 2, AF_NETLINK => 16, SOCK_RAW => 3, RTMGRP_LINK => 1 };
use constant { PACKET => 0, LINK => 1, OPENED => 2, FAILED => 3, PACKET_BYTES => 65535 };

# The agent decides when this ends: it closes the stream.
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
my ($wanted) = @ARGV;
open(my $stream, '+<&=', ${RELAY_STREAM_FD}) or exit 1;

sub send_all {
  my ($bytes) = @_;
  my $done = 0;
  while ($done < length $bytes) {
    my $count = syswrite($stream, $bytes, length($bytes) - $done, $done);
    exit 0 if !defined $count && $! != EINTR;
    $done += $count // 0;
  }
}
sub frame { return pack('N', $_[0] << 24 | length $_[1]) . $_[1] }
sub refuse { send_all(frame(FAILED, pack('N', $_[0]))); exit 1 }

my $tun;
my $request = pack('Z16 S x22', $wanted, IFF_TUN | IFF_NO_PI);
if ($wanted ne '') {
  sysopen($tun, '/dev/net/tun', O_RDWR | O_NONBLOCK) or refuse($! + 0);
  ioctl($tun, TUNSETIFF, $request) or refuse($! + 0);
} else {
  open($tun, '+<&=', ${RELAY_TUN_FD}) or refuse($! + 0);
  ioctl($tun, TUNGETIFF, $request) or refuse($! + 0);
  my $flags = unpack('x16 S', $request) & (IFF_TUN | IFF_TAP | IFF_VNET_HDR);
  # IFF_NO_PI can't be told from the flags; without it, one byte is too short to be taken.
  refuse(EPROTO) if $flags != IFF_TUN || !defined syswrite($tun, chr(0x40)) && $! == EINVAL;
  fcntl($tun, F_SETFL, fcntl($tun, F_GETFL, 0) | O_NONBLOCK) or refuse($! + 0);
}
send_all(frame(OPENED, unpack('Z16', $request)));

socket(my $inet, AF_INET, SOCK_DGRAM, 0) or exit 1;
socket(my $netlink, AF_NETLINK, SOCK_RAW, 0) or exit 1;
bind($netlink, pack('S S L L', AF_NETLINK, 0, 0, RTMGRP_LINK)) or exit 1;
my ($up, $mtu, $told) = (0, 1500, '');

# Same namespace, or too old a kernel to ask.
sub is_here {
  my $fd = ioctl($tun, TUNGETDEVNETNS, 0) // return 1;
  open(my $theirs, '<&=', $fd) or return 1;
  my @theirs = stat($theirs);
  my @ours = stat('/proc/self/ns/net') or return 1;
  return $theirs[1] == $ours[1];
}
sub tell_link {
  my $answer = pack('x40');
  ioctl($tun, TUNGETIFF, $answer) or exit 0;
  my $flags = pack('a16 x24', $answer);
  my $size = $flags;
  if (is_here() && ioctl($inet, SIOCGIFFLAGS, $flags) && ioctl($inet, SIOCGIFMTU, $size)) {
    $up = unpack('x16 S', $flags) & IFF_UP;
    $mtu = unpack('x16 l', $size);
  } else {
    # Only an interface that is up takes packets.
    my $writable = '';
    vec($writable, fileno($tun), 1) = 1;
    $up = select(undef, $writable, undef, 0) > 0 ? 1 : 0;
  }
  my $state = pack('C N', $up, $mtu);
  send_all(frame(LINK, $state)) if $state ne $told;
  $told = $state;
}
sub from_tun {
  my $batch = '';
  for (1 .. 64) {
    my $count = sysread($tun, my $packet, PACKET_BYTES);
    if (!defined $count) {
      last if $! == EAGAIN || $! == EINTR;
      exit 0;
    }
    $batch .= frame(PACKET, $packet);
  }
  send_all($batch) if $batch ne '';
}
my $pending = '';
sub from_stream {
  my $count = sysread($stream, $pending, 262144, length $pending);
  exit 0 if defined $count ? $count == 0 : $! != EINTR;
  my $at = 0;
  while (length($pending) - $at >= 4) {
    my $length = unpack('N', substr($pending, $at, 4)) & 0xffffff;
    last if length($pending) - $at < 4 + $length;
    syswrite($tun, $pending, $length, $at + 4);
    $at += 4 + $length;
  }
  substr($pending, 0, $at, '');
}

my $watched = '';
vec($watched, fileno($_), 1) = 1 for $tun, $stream, $netlink;
my $checked = 0;
for (;;) {
  my $ready = $watched;
  my $count = select($ready, undef, undef, 1);
  next if $count < 0;
  from_stream() if vec($ready, fileno($stream), 1);
  from_tun() if vec($ready, fileno($tun), 1);
  my $changed = vec($ready, fileno($netlink), 1) && sysread($netlink, my $message, 65536);
  if ($changed || $checked != time) {
    tell_link();
    $checked = time;
  }
}
`;
