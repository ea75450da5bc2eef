#!/usr/bin/env perl
# From the client's ack to the record in the bench consumer's hands, at two open rates. Zero where the record was there
# before the ack. Both clocks are CLOCK_MONOTONIC; the two lists meet by delivery id.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my $rounds = 5;

sub moments {
    my ($path) = @_;
    return { map { split ' ' } split /\n/, AW::Stack::slurp($path) };
}

sub delays {
    my ($rate, $path) = @_;
    my $edge = AW::Bench::edge();
    my $consumer = AW::Bench::consumer_start($edge, "$edge->{shm}/taken");
    AW::Bench::load($edge, path => $path, count => $rate * 3, rate => $rate, connections => 64, prepared => '', times => "$edge->{shm}/acked");
    AW::Bench::consumer_end($consumer);
    my ($acked, $taken) = map { moments("$edge->{shm}/$_") } qw(acked taken);
    return map { my $late = ($taken->{$_} // die "$_ was never taken") - $acked->{$_}; $late > 0 ? $late / 1000 : 0 } keys %$acked;
}

for (['handover_1000', 1000, '<= 0.1'], ['handover_20000', 20_000, '<= 0.5']) {
    my ($name, $rate, $goal) = @$_;
    my (@p99, @p50);
    for (1 .. $rounds) {
        my @delays = delays($rate, '/memory');
        push @p99, AW::Bench::percentile(0.99, @delays);
        push @p50, AW::Bench::percentile(0.50, @delays);
    }
    AW::Bench::report(name => $name, value => AW::Bench::median(@p99), unit => 'ms, p99 of ack to consumer', goal => $goal, runs => \@p99,
        p50 => AW::Bench::rounded(AW::Bench::median(@p50)));
}
