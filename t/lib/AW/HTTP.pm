package AW::HTTP;

# Requests as bytes, so that tests decide about every one of them, and answers read by their framing.

use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA qw(hmac_sha256_hex);
use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(sign request_bytes connect_to read_response exchange alert_json);

my $TIMEOUT = 15;

# Headers of a signed delivery; the timestamp is now unless it is given.
sub sign
{
    my ($secret, $body, $timestamp) = @_;
    $timestamp //= int time;
    return (
        'X-Timestamp' => $timestamp,
        'X-Signature' => 'sha256=' . hmac_sha256_hex("$timestamp.$body", $secret),
    );
}

# A valid alert for asset srv-1; the arguments replace or add members, undef removes one.
sub alert_json
{
    my (%more) = @_;
    my %alert = (
        asset_name  => 'srv-1',
        signature   => 'service_down:nginx',
        severity    => 'high',
        message     => 'it is down',
        tool_source => 'test',
        %more
    );
    delete @alert{ grep { !defined $alert{$_} } keys %alert };
    return JSON::PP->new->canonical->utf8->encode(\%alert);
}

# headers: list of pairs, a name may come several times. Content-Length is added where there is a body and no
# framing was given.
sub request_bytes
{
    my ($method, $path, $headers, $body) = @_;
    my @lines = ("$method $path HTTP/1.1");
    my %seen;
    for (my $i = 0; $i < @$headers; $i += 2) {
        $seen{ lc $headers->[$i] } = 1;
        push @lines, "$headers->[$i]: $headers->[$i + 1]";
    }
    push @lines, 'Host: test' unless $seen{host};
    push @lines, 'Content-Length: ' . length $body
        if defined $body && !$seen{'content-length'} && !$seen{'transfer-encoding'};
    return join("\r\n", @lines, '', '') . ($body // '');
}

sub connect_to
{
    my ($port) = @_;
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $port,
        Proto    => 'tcp',
        Timeout  => 5
    ) or croak "cannot connect to port $port: $@";
    $socket->autoflush(1);
    return { socket => $socket, in => '' };
}

# Reads more bytes; false at the end of the stream or after the time limit.
sub fill
{
    my ($connection, $deadline) = @_;
    my $select = IO::Select->new($connection->{socket});
    until ($select->can_read(0.1)) {    # a signal may interrupt it
        return 0 if time > $deadline;
    }
    my $got = sysread $connection->{socket}, $connection->{in}, 65536, length $connection->{in};
    $connection->{closed} = 1 unless $got;
    return $got;
}

# One response: { status, headers (lower case), body, json }, or undef when the connection ended before it.
# no_body: the answer to HEAD.
sub read_response
{
    my ($connection, %opt) = @_;
    my $deadline = time + ($opt{timeout} // $TIMEOUT);
    while ($connection->{in} !~ /\r\n\r\n/) {
        fill($connection, $deadline) or return undef;
    }
    $connection->{in} =~ s/\A(.*?)\r\n\r\n//s;
    my ($line, @lines) = split /\r\n/, $1;
    my ($status) = $line =~ m{\AHTTP/1\.[01] (\d{3})} or croak "not a response: $line";
    my %headers = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } @lines;
    my $response = { status => $status, line => $line, headers => \%headers, body => '' };
    return $response if $opt{no_body} || $status =~ /\A(?:1..|204|304)\z/;

    my $length = $headers{'content-length'};
    while (!defined $length || length $connection->{in} < $length) {
        fill($connection, $deadline) or last;
    }
    $length //= length $connection->{in};
    $response->{body} = substr $connection->{in}, 0, $length, '';
    $response->{json} = eval { JSON::PP::decode_json($response->{body}) };
    return $response;
}

# Sends the parts (a reference to a number is a pause in seconds, so that a part becomes a segment of its own),
# then reads `responses` answers (default 1). Returns them; the connection is in ->{connection} of the first.
sub exchange
{
    my ($port, $parts, %opt) = @_;
    my $connection = $opt{connection} // connect_to($port);
    local $SIG{PIPE} = 'IGNORE';
    for my $part (@$parts) {
        if (ref $part) {
            sleep $$part;
        } else {
            my $sent = 0;
            while ($sent < length $part) {
                my $n = syswrite $connection->{socket}, $part, length($part) - $sent, $sent;
                last unless $n;
                $sent += $n;
            }
        }
    }
    my @responses;
    for (1 .. $opt{responses} // 1) {
        push @responses, read_response($connection, %opt);
    }
    $responses[0]{connection} = $connection if $responses[0];
    return wantarray ? @responses : $responses[0];
}

1;
