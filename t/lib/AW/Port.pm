package AW::Port;
# Free loopback ports for servers under test.
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use IO::Socket::INET;

our @EXPORT_OK = qw(free_port);

my %given;

# Below those that the kernel gives to clients: a client that connects again and again to a server that is down could
# be given the server's own port, reach itself, and keep the server from starting.
sub free_port {
    open my $file, '<', '/proc/sys/net/ipv4/ip_local_port_range' or croak "port range: $!";
    my ($above) = readline($file) =~ /^(\d+)/;
    my $from = $above > 20_000 ? 10_000 : 1_024;
    for (1 .. 1_000) {
        my $port = $from + int rand($above - $from);
        next if $given{$port} || !IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
        $given{$port} = 1;
        return $port;
    }
    croak 'no free port';
}

1;
