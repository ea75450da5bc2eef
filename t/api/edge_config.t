#!/usr/bin/env perl
# What is changed by the API holds at the edge within a second.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign);
use AW::Stack;
use HTTP::Tiny;
use JSON::PP qw(decode_json encode_json);
use Test::More;
use Time::HiRes qw(sleep time);

my $stack = AW::Stack->new(companies => 2, assets => 2, hmac => 0)->start;
my ($target, $other) = @{ $stack->{targets} };
my $path = "/api/companies/$target->{company_id}";
my $n = 0;

# Status of a new alert; `secret` signs it.
sub deliver
{
    my ($to, %o) = @_;
    my $body = encode_json({ asset_name => $o{asset} // $to->{assets}[0], signature => 'kind-' . ++$n, severity => 'low',
        message => 'm', tool_source => 'test' });
    return HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { headers => { 'X-API-Key' => $o{key} // $to->{api_key},
        'Content-Type' => 'application/json', ($o{secret} ? sign($o{secret}, $body) : ()) }, content => $body })->{status};
}

sub within_a_second
{
    my ($name, $holds) = @_;
    my $began = time;
    sleep 0.01 while !$holds->() && time - $began < 5;
    my $took = time - $began;
    return ok($took < 1, sprintf '%s (%.0f ms)', $name, $took * 1000);
}

is(deliver($target), 200, 'not signed, not limited');

my $on = $stack->api('POST', "$path/webhook-security/enable")->{json};
within_a_second('signatures are asked for', sub { deliver($target) == 401 });
is(deliver($target, secret => $on->{hmac_secret}), 200, 'the secret is the one that was shown');
my $again = $stack->api('POST', "$path/webhook-security/enable")->{json};
within_a_second('a new secret holds', sub { deliver($target, secret => $again->{hmac_secret}) == 200 });
is(deliver($target, secret => $on->{hmac_secret}), 200, 'the former one is still good');
is(deliver($target, secret => 'x' x 50), 401, 'another is not');
is(deliver($other), 200, 'the other company goes on as before');
$stack->api('POST', "$path/webhook-security/disable");
within_a_second('signatures are not asked for any more', sub { deliver($target) == 200 });

# How-to: of 150 requests at once 100 pass.
my $limit = $stack->api('PUT', "$path/rate-limit", { enabled => JSON::PP::true, requests_per_minute => 60, burst_size => 100 });
is($limit->{status}, 200, 'a limit is set');
sleep 1;
my %seen;
my $began = time;
$seen{ deliver($target) }++ for 1 .. 150;
my $refilled = int(time - $began) + 1;
cmp_ok($seen{200}, '>=', 100, 'the burst passes');
cmp_ok($seen{200}, '<=', 100 + $refilled, 'and not more than that');
is($seen{200} + $seen{429}, 150, 'the others are told to wait');
is(deliver($other), 200, 'another company has its own limit');
$stack->api('PUT', "$path/rate-limit", { enabled => JSON::PP::false });
within_a_second('the limit is gone', sub { deliver($target) == 200 });

is(deliver($target, asset => 'srv-new'), 404, 'an asset that nobody knows');
AW::Stack::spew("$stack->{dir}/more.json",
    encode_json({ companies => [{ id => $target->{company_id}, assets => [{ name => 'srv-new' }], api_keys => [{ name => 'second' }] }] }));
my $made = decode_json($stack->run_worker_command('apply', "$stack->{dir}/more.json"))->{generated}{api_keys}[0]{key};
within_a_second('an asset that was added', sub { deliver($target, asset => 'srv-new') == 200 });
is(deliver($target, key => $made), 200, 'a key that was added');

is($stack->log_trouble, '', 'nothing broke');
done_testing;
