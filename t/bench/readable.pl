#!/usr/bin/env perl
# From the ack of a single critical alert with a signature of its own to its incident in GET /api/incidents, under an
# open-loop load of other alerts; SQLite with synchronous=FULL, disk acks. What a poll and the pause between two take is part
# of the figure.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";
use AW::Bench;
use AW::HTTP qw(alert_json connect_to request_bytes read_response sign);
use Time::HiRes qw(sleep time);

my ($probes, $seconds, $patience) = (200, 12, 20);
my $product = AW::Bench::product(companies => 101);
my $own = pop @{ $product->{targets} };    # the last company is the probes' alone
my $token = $product->token;
my $n = 0;

sub ask {
    my ($connection, @request) = @_;
    syswrite $connection->{socket}, request_bytes(@request);
    return read_response($connection) // die 'no answer';
}

# Milliseconds from ack to reading.
sub probe {
    my ($edge, $api) = @_;
    my $signature = 'probe:' . ++$n;
    my $body = alert_json(asset_name => $own->{assets}[0], signature => $signature, severity => 'critical');
    my $answer = ask($edge, 'POST', '/disk', ['X-API-Key' => $own->{api_key}, 'X-Delivery-ID' => "probe-$n", sign($own->{hmac_secret}, $body)], $body);
    my $acked = time;
    die "probe: $answer->{status} $answer->{body}" if $answer->{status} != 200;
    while (time < $acked + $patience) {
        $answer = ask($api, 'GET', "/api/incidents?company_id=$own->{company_id}&signature=probe%3A$n", [Authorization => "Bearer $token"]);
        die "incidents: $answer->{status} $answer->{body}" if $answer->{status} != 200;
        return 1000 * (time - $acked) if @{ $answer->{json} };
        sleep 0.002;    # polls without a pause would take one of two cores for themselves
    }
    die "the incident of probe $n was not readable within $patience s";
}

for (['readable_1000', 1000, '<= 20'], ['readable_10000', 10_000, '<= 100']) {
    my ($name, $rate, $goal) = @$_;
    my $load = AW::Bench::load_start($product, path => '/disk', count => $rate * $seconds, rate => $rate, connections => 256, prepared => '');
    my ($edge, $api) = (connect_to($product->{bench_port}), connect_to($product->{port}));
    sleep 1;
    my @delays;
    my $began = time;
    for (1 .. $probes) {
        last if time > $began + $seconds - 1.5;
        push @delays, probe($edge, $api);
        sleep 0.02;
    }
    my $figures = AW::Bench::load_wait($load);
    AW::Bench::report(name => $name, value => AW::Bench::percentile(0.99, @delays), unit => 'ms, p99 of ack to incident by REST', goal => $goal,
        p50 => AW::Bench::rounded(AW::Bench::median(@delays)), probes => scalar @delays, load_per_s => AW::Bench::rounded($figures->{per_second}));
    $product->drained(300);
}
