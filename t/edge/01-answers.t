# Every answer of the ingest handler: status, words, code, headers, counter.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json sign);
use AW::Nginx;

my $nginx = AW::Nginx->new;
$nginx->start;

my $KEY    = 'key-of-acme-0001';
my $SIGNED = 'key-of-signed-02';
my $SECRET = 'secret-of-signed';

sub counter { return $nginx->status->{counters}{ $_[0] } }

# Sends, and checks what every refusal must have.
sub refused
{
    my ($name, $status, $code, $detail, $counter, $request) = @_;
    my $before = counter($counter);
    my $answer = $request->();
    is($answer->{status}, $status, "$name: $status");
    is($answer->{headers}{'content-type'}, 'application/json', "$name: JSON");
    is($answer->{json}{code}, $code, "$name: code $code");
    like($answer->{json}{detail}, $detail, "$name: words");
    is(counter($counter), $before + 1, "$name: counted as $counter");
    return $answer;
}

my $answer = refused('no edge table yet', 503, 'not_ready', qr/\ANot Ready/, 'unavailable_table',
    sub { $nginx->post(alert_json(), 'X-API-Key' => $KEY) });
is($answer->{headers}{'retry-after'}, 5, 'no edge table yet: Retry-After');
refused('no edge table and no key', 503, 'not_ready', qr/\ANot Ready/, 'unavailable_table', sub { $nginx->post(alert_json()) });

$nginx->table(<<"TABLE");
company acme
key $KEY
key old-key-of-acme expires=1000
key elsewhere-key net=192.0.2.0/24
key here-key-only net=192.0.2.0/24 net=127.0.0.0/8
asset srv-1
asset name with spaces
company signed hmac=$SECRET
key $SIGNED
asset srv-1
company open assets=accept
key key-of-open-0003
company limited rate=60/1
key key-of-limited-4
asset srv-1
TABLE

$answer = $nginx->post(alert_json(), 'X-API-Key' => $KEY);
is($answer->{status}, 200, 'accepted');
is($answer->{json}{message}, 'Alert received', 'the word of the contract');
like($answer->{json}{alert_id}, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/, 'a UUID of version 7');
is($answer->{json}{durability}, 'memory', 'durability: memory');
is($answer->{headers}{connection}, 'keep-alive', 'the connection stays');
my ($record) = $nginx->records;
is($record->{alert_id}, $answer->{json}{alert_id}, 'the record has the id of the answer');
is($record->{company}, 'acme', 'the record names the company');

my $disk = $nginx->post_to('/disk', alert_json(message => 'on disk'), 'X-API-Key' => $KEY);
is($disk->{status}, 200, 'accepted on disk');
is($disk->{json}{durability}, 'disk', 'durability: disk');

my $again = $nginx->post(alert_json(), 'X-API-Key' => $KEY);
is($again->{status}, 200, 'the same again');
is($again->{json}{duplicate}, JSON::PP::true, 'is a duplicate');
is($again->{json}{alert_id}, $answer->{json}{alert_id}, 'with the first id');

for my $method (qw(GET PUT DELETE PATCH OPTIONS)) {
    $answer = refused($method, 405, 'method_not_allowed', qr/use POST/, 'refused_method', sub { $nginx->request($method, '/alerts', []) });
    is($answer->{headers}{allow}, 'POST', "$method: Allow");
}
$answer = $nginx->request('HEAD', '/alerts', []);
is($answer->{status}, 405, 'HEAD: 405');
is($answer->{headers}{allow}, 'POST', 'HEAD: Allow');

refused('too large', 413, 'body_too_large', qr/65536/, 'refused_size', sub { $nginx->post('x' x 65537, 'X-API-Key' => $KEY) });
refused('largest that is read', 400, 'invalid_json', qr/./, 'refused_json', sub { $nginx->post('x' x 65536, 'X-API-Key' => $KEY) });

for my $type ('text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'json', 'application/json2', 'text/json', 'application/') {
    refused("type $type", 415, 'unsupported_media_type', qr{use application/json}, 'refused_media_type',
        sub { $nginx->post(alert_json(), 'X-API-Key' => $KEY, 'Content-Type' => $type) });
}
for my $type ('application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json ;x=y', 'application/cloudevents+json') {
    is($nginx->post(alert_json(), 'X-API-Key' => $KEY, 'Content-Type' => $type)->{status}, 200, "type $type is JSON");
}
is($nginx->request('POST', '/alerts', ['X-API-Key' => $KEY], alert_json())->{status}, 200, 'no type at all is taken for JSON');

for my $name ('X-API-Key', 'X-Signature', 'X-Timestamp', 'X-Delivery-ID') {
    $answer = refused("$name twice", 400, 'header_repeated', qr/Repeated/, 'refused_header',
        sub { $nginx->post(alert_json(), $name => 'a', $name => 'a') });
    is($answer->{json}{field}, $name, "$name twice: named");
}
for my $id ('has space', 'x' x 129, "caf\xc3\xa9", "tab\there") {
    refused('delivery id', 400, 'header_malformed', qr/X-Delivery-ID must have/, 'refused_header',
        sub { $nginx->post(alert_json(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => $id) });
}

for my $case (['none'], ['unknown', 'X-API-Key' => 'no-such-key'], ['empty', 'X-API-Key' => ''], ['too long', 'X-API-Key' => 'x' x 129],
    ['expired', 'X-API-Key' => 'old-key-of-acme'], ['from a foreign network', 'X-API-Key' => 'elsewhere-key'], ['longer by one', 'X-API-Key' => "${KEY}x"])
{
    my ($name, @headers) = @$case;
    refused("key $name", 401, 'invalid_api_key', qr/\AInvalid API Key\z/, 'refused_key', sub { $nginx->post(alert_json(), @headers) });
}
is($nginx->post(alert_json(), 'X-API-Key' => 'here-key-only')->{status}, 200, 'key from an allowed network');

my $body = alert_json(message => 'signed');
refused('no timestamp', 401, 'timestamp_expired', qr/\ATimestamp Expired\z/, 'refused_timestamp', sub { $nginx->post($body, 'X-API-Key' => $SIGNED) });
for my $offset (-301, -300, 301, 400) {
    refused("timestamp $offset", 401, 'timestamp_expired', qr/\ATimestamp Expired\z/, 'refused_timestamp',
        sub { $nginx->post($body, 'X-API-Key' => $SIGNED, sign($SECRET, $body, time + $offset)) });
}
for my $offset (-290, 290) {
    is($nginx->post($body, 'X-API-Key' => $SIGNED, sign($SECRET, $body, time + $offset))->{status}, 200, "timestamp $offset is inside");
}
my %good = sign($SECRET, $body);
for my $case (['absent', undef], ['of another secret', { sign('other', $body) }->{'X-Signature'}], ['of another body', { sign($SECRET, "$body ") }->{'X-Signature'}],
    ['without prefix', substr $good{'X-Signature'}, 7], ['prefix in upper case', 'SHA256=' . substr $good{'X-Signature'}, 7], ['too short', substr $good{'X-Signature'}, 0, -1],
    ['too long', "$good{'X-Signature'}0"], ['no hex', 'sha256=' . 'g' x 64], ['empty', ''])
{
    my ($name, $signature) = @$case;
    my @headers = ('X-API-Key' => $SIGNED, 'X-Timestamp' => $good{'X-Timestamp'}, defined $signature ? ('X-Signature' => $signature) : ());
    refused("signature $name", 401, 'invalid_signature', qr/\AInvalid Signature\z/, 'refused_signature', sub { $nginx->post($body, @headers) });
}
is($nginx->post($body, 'X-API-Key' => $SIGNED, 'X-Timestamp' => $good{'X-Timestamp'}, 'X-Signature' => 'sha256=' . uc substr $good{'X-Signature'}, 7)->{status},
    200, 'hex digits of either case');
is($nginx->post(alert_json(message => 'plain'), 'X-API-Key' => $KEY, 'X-Signature' => 'junk', 'X-Timestamp' => 'junk')->{status},
    200, 'with HMAC off both headers are ignored');

$nginx->post(alert_json(), 'X-API-Key' => 'key-of-limited-4');
$answer = refused('over the rate', 429, 'rate_limit_exceeded', qr/\ARate Limit Exceeded\z/, 'refused_rate',
    sub { $nginx->post(alert_json(), 'X-API-Key' => 'key-of-limited-4') });
is($answer->{headers}{'retry-after'}, 1, 'over the rate: Retry-After');

for my $bad ('', '{', '[]', '"x"', '{"a":1}}', "{\"asset_name\":\"\xff\"}", '{"a":1,"a":2}') {
    refused("body $bad", 400, 'invalid_json', qr/./, 'refused_json', sub { $nginx->post($bad, 'X-API-Key' => $KEY) });
}
for my $case (['severity', severity => 'urgent'], ['severity', severity => undef], ['asset_name', asset_name => ''], ['asset_name', asset_name => 'x' x 101],
    ['asset_name', asset_name => undef], ['signature', signature => ''], ['message', message => 'x' x 8193], ['tool_source', tool_source => undef])
{
    my ($field, %change) = @$case;
    $answer = refused("field $field", 422, 'invalid_field', qr/./, 'refused_field', sub { $nginx->post(alert_json(%change), 'X-API-Key' => $KEY) });
    is($answer->{json}{field}, $field, "field $field: named");
    like($answer->{line}, qr/\AHTTP\/1\.1 422 Unprocessable Entity\z/, 'with its phrase');
}

refused('unknown asset', 404, 'asset_not_found', qr/\AAsset Not Found\z/, 'refused_asset', sub { $nginx->post(alert_json(asset_name => 'srv-2'), 'X-API-Key' => $KEY) });
is($nginx->post(alert_json(asset_name => 'name with spaces'), 'X-API-Key' => $KEY)->{status}, 200, 'asset with spaces');
is($nginx->post(alert_json(asset_name => 'any'), 'X-API-Key' => 'key-of-open-0003')->{status}, 200, 'a company that accepts any asset');

subtest 'a refusal leaves nothing behind' => sub {
    my $text = alert_json(asset_name => 'late-asset');
    my @headers = ('X-API-Key' => $SIGNED, 'X-Delivery-ID' => 'late-1', sign($SECRET, $text));
    is($nginx->post($text, @headers)->{status}, 404, 'refused: the asset is not known yet');
    $nginx->table("company signed hmac=$SECRET\nkey $SIGNED\nasset late-asset\n");
    my $taken = $nginx->post($text, @headers);
    is($taken->{status}, 200, 'the same request is taken when the asset is there');
    is($taken->{json}{duplicate}, undef, 'as new');
};

$nginx->finish;
done_testing;
