# The body in every shape, and the connection behind it: what follows on it must be taken for what it is.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json request_bytes exchange connect_to read_response);
use AW::Nginx;
use MIME::Base64 qw(decode_base64);

my $nginx = AW::Nginx->new(locations => <<'CONF');
            location = /alerts { alertwhisper_ingest; alertwhisper_ack memory; client_body_buffer_size 128k; client_max_body_size 128k; }
            location = /disk   { alertwhisper_ingest; client_body_buffer_size 128k; client_max_body_size 128k; }
            location = /spill  { alertwhisper_ingest; alertwhisper_ack memory; client_body_buffer_size 1k; client_body_in_file_only clean; }
            location = /slow   { alertwhisper_ingest; client_body_timeout 1s; }
            location = /next   { return 201 "next\n"; }
            location = /status { alertwhisper_status; }
CONF
$nginx->start;
my $KEY = 'key-of-acme-0001';
$nginx->table("company acme\nkey $KEY\nasset srv-1\n");

my @HEADERS = ('X-API-Key' => $KEY, 'Content-Type' => 'application/json');
my $NEXT    = request_bytes('GET', '/next', []);
my $n       = 0;

sub body { return alert_json(message => 'n' . $n++ . ' ' . 'x' x ($_[0] // 0)) }
sub chunked
{
    my ($size, $body) = @_;
    my @chunks = $body =~ /(.{1,$size})/gs;
    return (map { sprintf("%x\r\n", length) . "$_\r\n" } @chunks), "0\r\n\r\n";
}

# Sends the parts and then another request on the same connection; both must be answered as themselves.
sub in_step
{
    my ($name, $status, $parts, $body, %opt) = @_;
    my ($first, $second) = exchange($nginx->port, [@$parts, $NEXT], responses => 2, %opt);
    is($first->{status}, $status, "$name: $status") or diag explain $first;
    is($second && $second->{status}, 201, "$name: the next request is answered as itself");
    return if $status != 200;
    my ($record) = grep { $_->{alert_id} eq $first->{json}{alert_id} } $nginx->records(drain => 1);
    is(decode_base64($record->{body}), $body, "$name: the body is in the queue, byte for byte");
    return;
}

my $short = \0.002;
for my $path ('/alerts', '/disk', '/spill') {
    my $body = body();
    in_step("$path in one piece", 200, [request_bytes('POST', $path, \@HEADERS, $body)], $body);

    $body = body(3000);
    my $bytes = request_bytes('POST', $path, \@HEADERS, $body);
    in_step("$path in many segments", 200, [map { ($_, $short) } $bytes =~ /(.{1,100})/gs], $body);

    $body = body(20);
    $bytes = request_bytes('POST', $path, \@HEADERS, $body);
    in_step("$path byte by byte", 200, [map { ($_, \0.0002) } split //, $bytes], $body);

    $body = body();
    my $head = request_bytes('POST', $path, [@HEADERS, 'Transfer-Encoding' => 'chunked']);
    in_step("$path one chunk", 200, [$head, chunked(9999, $body)], $body);

    $body = body(1000);
    in_step("$path chunks of a byte", 200, [$head . join '', chunked(1, $body)], $body);
    $body = body(8000);
    in_step("$path chunks of a byte, 8 kB", 200, [$head . join '', chunked(1, $body)], $body);
    $body = body(500);
    in_step("$path chunks in segments", 200, [$head, map { ($_, $short) } chunked(100, $body)], $body);

    $body = body();
    my $padded = $body . ' ' x (65536 - length $body);
    in_step("$path largest", 200, [request_bytes('POST', $path, \@HEADERS, $padded)], $padded);
    $body = body();
    $padded = $body . ' ' x (65536 - length $body);
    in_step("$path largest, chunked", 200, [$head . join '', chunked(1000, $padded)], $padded);
    in_step("$path chunked, one byte too many", 413, [$head . join '', chunked(4096, 'x' x 65537)]);

    in_step("$path no body", 400, [request_bytes('POST', $path, \@HEADERS)]);
    in_step("$path empty body", 400, [request_bytes('POST', $path, \@HEADERS, '')]);
    in_step("$path empty chunked body", 400, [$head . "0\r\n\r\n"]);
}

subtest 'refusals keep the connection in step' => sub {
    my $smuggled = request_bytes('GET', '/status', []);
    for my $method (qw(GET PUT DELETE OPTIONS)) {
        in_step("$method with a body", 405, [request_bytes($method, '/alerts', [], $smuggled)]);
        in_step("$method with a chunked body", 405, [request_bytes($method, '/alerts', ['Transfer-Encoding' => 'chunked']), chunked(7, $smuggled)]);
    }
    my ($head, $second) = exchange($nginx->port, [request_bytes('HEAD', '/alerts', [], $smuggled)], no_body => 1);
    is($head->{status}, 405, 'HEAD with a body: 405');
    ($second) = exchange($nginx->port, [$NEXT], connection => $head->{connection});
    is($second->{status}, 201, 'HEAD with a body: the next request is answered as itself');
    is($second->{body}, "next\n", 'and with its own body');
    in_step('wrong key', 401, [request_bytes('POST', '/alerts', ['X-API-Key' => 'none'], $smuggled)]);
    in_step('wrong type', 415, [request_bytes('POST', '/alerts', ['Content-Type' => 'text/plain'], $smuggled)]);
    in_step('header twice', 400, [request_bytes('POST', '/alerts', ['X-API-Key' => 1, 'X-API-Key' => 2], $smuggled)]);
    in_step('body in slow parts', 401, [request_bytes('POST', '/alerts', ['X-API-Key' => 'none', 'Content-Length' => length $smuggled]), $short, substr($smuggled, 0, 9), $short, substr $smuggled, 9]);
};

subtest 'pipelined' => sub {
    my @bodies = map { body() } 1 .. 20;
    for my $path ('/alerts', '/disk') {
        my @answers = exchange($nginx->port, [join '', map { request_bytes('POST', $path, \@HEADERS, "$_ ") } @bodies], responses => 20);
        is(scalar(grep { $_ && $_->{status} == 200 } @answers), 20, "$path: 20 answers");
        my %ids = map { $_->{json}{alert_id} => 1 } @answers;
        my @records = grep { $_->{kind} eq 'alert' && $ids{ $_->{alert_id} } } $nginx->records(drain => 1);
        is(join("\n", map { decode_base64($_->{body}) } @records), join("\n", map { "$_ " } @bodies), "$path: in their order") if $path eq '/alerts';
        @bodies = map { "$_ " } @bodies;
    }
};

subtest 'Expect: 100-continue' => sub {
    for my $path ('/alerts', '/disk') {
        my $body = body();
        my $head = request_bytes('POST', $path, [@HEADERS, Expect => '100-continue', 'Content-Length' => length $body]);
        my $continue = exchange($nginx->port, [$head]);
        is($continue->{status}, 100, "$path: told to go on");
        my ($answer, $next) = exchange($nginx->port, [$body, $NEXT], connection => $continue->{connection}, responses => 2);
        is($answer->{status}, 200, "$path: taken");
        is($next->{status}, 201, "$path: in step");
    }
    my $answer = exchange($nginx->port, [request_bytes('POST', '/alerts', ['X-API-Key' => 'none', Expect => '100-continue', 'Content-Length' => 10])]);
    is($answer->{status}, 401, 'refused for the key, before the body');
    is($answer->{headers}{connection}, 'close', 'and the connection ends');
    is($answer->{json}{detail}, 'Invalid API Key', 'with the words');
    $answer = exchange($nginx->port, [request_bytes('GET', '/alerts', [Expect => '100-continue', 'Content-Length' => 10])]);
    is($answer->{status}, 405, 'refused for the method, before the body');
    my $big = exchange($nginx->port, [request_bytes('POST', '/alerts', [@HEADERS, Expect => '100-continue', 'Content-Length' => 70000])]);
    is($big->{status}, 413, 'refused for the size, before the body');
};

subtest 'too large' => sub {
    my $answer = exchange($nginx->port, [request_bytes('POST', '/alerts', \@HEADERS, 'x' x 70000)]);
    is($answer->{status}, 413, 'over the limit of the module: 413');
    is($answer->{json}{code}, 'body_too_large', 'as JSON');
    is($answer->{headers}{connection}, 'close', 'and the connection ends');
    $answer = exchange($nginx->port, [request_bytes('POST', '/alerts', \@HEADERS, 'x' x 140000)]);
    is($answer->{status}, 413, 'over the limit of nginx: 413');
    $answer = exchange($nginx->port, [request_bytes('POST', '/alerts', [@HEADERS, 'Transfer-Encoding' => 'chunked']), chunked(60000, 'x' x 140000)]);
    is($answer->{status}, 413, 'chunked over the limit of nginx: 413');
};

subtest 'a sender that stops in the middle' => sub {
    my $answer = exchange($nginx->port, [request_bytes('POST', '/slow', [@HEADERS, 'Content-Length' => 100]), 'half']);
    is($answer, undef, 'is not answered');
    my $connection = connect_to($nginx->port);
    syswrite $connection->{socket}, request_bytes('POST', '/slow', [@HEADERS, 'Content-Length' => 100]) . 'half';
    close $connection->{socket};
    is($nginx->post(body(), @HEADERS)->{status}, 200, 'one that goes away hurts nobody');
};

$nginx->finish;
done_testing;
