# HTTP/2: the same answers, refusals that read the body, many streams on one connection, streams that are reset.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json sign);
use AW::Nginx;
use MIME::Base64 qw(decode_base64);

plan skip_all => 'no curl with HTTP/2' unless `curl --version 2>/dev/null` =~ /\bHTTP2\b/;

my $nginx = AW::Nginx->new(http => 'client_max_body_size 128k; client_body_buffer_size 128k; http2_max_concurrent_streams 64;');
$nginx->start;
my ($KEY, $SIGNED, $SECRET) = ('key-of-acme-0001', 'key-of-signed-02', 'secret-of-signed');
$nginx->table("company acme\nkey $KEY\nasset srv-1\ncompany signed hmac=$SECRET\nkey $SIGNED\nasset srv-1\n");

my $n = 0;
sub curl
{
    my ($path, $body, @headers) = @_;
    my $file = $nginx->dir . '/body';
    AW::Nginx::spew($file, $body);
    my @args = map { ('-H', $_) } 'Content-Type: application/json', @headers;
    my ($status, $text) = AW::Nginx::run('curl', '-sS', '-i', '--http2-prior-knowledge', '--data-binary', "\@$file", @args, 'http://127.0.0.1:' . $nginx->h2port . $path);
    my ($code) = $text =~ m{\AHTTP/2 (\d+)};
    my ($json) = $text =~ /\r\n\r\n(.*)\z/s;
    return { exit => $status, status => $code, json => scalar eval { JSON::PP::decode_json($json) }, text => $text };
}

for my $path ('/alerts', '/disk') {
    my $body = alert_json(message => 'h2 ' . $n++);
    my $answer = curl($path, $body, "X-API-Key: $KEY");
    is($answer->{status}, 200, "$path: taken");
    my ($record) = grep { $_->{alert_id} eq $answer->{json}{alert_id} } $nginx->records(drain => 1);
    is(decode_base64($record->{body}), $body, "$path: byte for byte");
    is(curl($path, $body, "X-API-Key: $KEY")->{json}{duplicate}, JSON::PP::true, "$path: known again");

    $body = alert_json(message => 'large ' . $n++);
    $body .= ' ' x (65536 - length $body);
    $answer = curl($path, $body, "X-API-Key: $KEY");
    is($answer->{status}, 200, "$path: the largest body");
    ($record) = grep { $_->{alert_id} eq $answer->{json}{alert_id} } $nginx->records(drain => 1);
    is(decode_base64($record->{body}), $body, "$path: byte for byte");

    $body = alert_json(message => 'signed ' . $n++);
    my %signed = sign($SECRET, $body);
    is(curl($path, $body, "X-API-Key: $SIGNED", map { "$_: $signed{$_}" } keys %signed)->{status}, 200, "$path: signed");
    is(curl($path, "$body ", "X-API-Key: $SIGNED", map { "$_: $signed{$_}" } keys %signed)->{status}, 401, "$path: signed, but another body");
}

# An answer before the body would be followed by a reset, and the client would lose it.
my $lost = 0;
for (1 .. 20) {
    my $answer = curl('/alerts', 'x' x 20000, 'X-API-Key: none');
    $lost++ unless $answer->{exit} == 0 && ($answer->{status} // 0) == 401;
}
is($lost, 0, 'no refusal of a large body is lost');
is(curl('/alerts', alert_json(), 'X-API-Key: a', 'X-API-Key: b')->{status}, 400, 'a header twice');
is(curl('/alerts', '{}', "X-API-Key: $KEY")->{status}, 422, 'a wrong field');
is(curl('/alerts', 'x' x 70000, "X-API-Key: $KEY", 'Expect:')->{status}, 413, 'too large');

SKIP: {
    my ($h2load) = grep { -x } map { "$_/h2load" } split /:/, $ENV{PATH};
    skip 'no h2load', 4 unless $h2load;
    for my $path ('/alerts', '/disk') {
        my $file = $nginx->dir . '/body';
        AW::Nginx::spew($file, alert_json(message => "streams of $path"));
        my ($status, $text) = AW::Nginx::run($h2load, '-n', 2000, '-c', 4, '-m', 50, '-d', $file, '-H', "X-API-Key: $KEY", '-H', 'Content-Type: application/json', 'http://127.0.0.1:' . $nginx->h2port . $path);
        like($text, qr/2000 succeeded, 0 failed, 0 errored/, "$path: 2000 requests on 4 connections");
        my @records = grep { decode_base64($_->{body}) =~ /streams of/ } $nginx->records(drain => 1);
        is(scalar @records, 1, "$path: are one alert");
    }
}

subtest 'connections that end with parked streams' => sub {
    my $release = $nginx->hold_queue;
    my $file = $nginx->dir . '/body';
    AW::Nginx::spew($file, alert_json(message => 'parked stream'));
    my @command = ('curl', '-sS', '-m', '0.2', '--http2-prior-knowledge', '--data-binary', "\@$file", '-H', "X-API-Key: $KEY", '-H', 'Content-Type: application/json');
    for (1 .. 3) {
        my ($status) = AW::Nginx::run(@command, 'http://127.0.0.1:' . $nginx->h2port . '/disk');
        is($status, 28, 'the client gave up');
    }
    $release->();
    is($nginx->post_to('/disk', alert_json(message => 'after'), 'X-API-Key' => $KEY)->{status}, 200, 'the worker lives');
    is(scalar(grep { decode_base64($_->{body}) =~ /parked stream/ } $nginx->records), 1, 'and its alert is kept');
};

$nginx->finish;
done_testing;
