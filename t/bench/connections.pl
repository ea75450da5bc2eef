#!/usr/bin/env perl
# 10,000 keep-alive connections at 20,000 requests per second, open loop: errors, and latency from the scheduled instant;
# beside it that of a bare `return 200`, below which nothing can be on this machine.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my ($rounds, $connections, $rate) = (5, 10_000, 20_000);
my $edge = AW::Bench::edge();
my $consumer = AW::Bench::consumer_start($edge);
my (%p99, %p50, $errors);

for (1 .. $rounds) {
    for my $mode (qw(return memory disk)) {
        my $load = AW::Bench::load($edge, path => "/$mode", count => $rate * 3, rate => $rate, connections => $connections, prepared => '', any_answer => 1);
        push @{ $p99{$mode} }, $load->{p99_ms};
        push @{ $p50{$mode} }, $load->{p50_ms};
        $errors += $load->{errors};
    }
}
AW::Bench::consumer_end($consumer);
AW::Bench::report(name => 'connections_errors', value => $errors, unit => 'requests without a 200', goal => '<= 0', requests => 3 * $rounds * $rate * 3);
AW::Bench::report(name => 'connections', value => AW::Bench::median(@{ $p99{memory} }), unit => 'ms, p99, memory acks', goal => '<= 2', runs => $p99{memory},
    p50 => AW::Bench::median(@{ $p50{memory} }), return_p99 => AW::Bench::median(@{ $p99{return} }), disk_p99 => AW::Bench::median(@{ $p99{disk} }), disk_p50 => AW::Bench::median(@{ $p50{disk} }));
