#!/usr/bin/env perl
# Requests per second with `disk` acks against `memory` acks, 256 connections, the bench consumer at the other end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my ($rounds, $count) = (5, 60_000);
my $edge = AW::Bench::edge();
my $consumer = AW::Bench::consumer_start($edge);
my %rate;

sub run {
    my ($mode) = @_;
    return AW::Bench::load($edge, path => "/$mode", count => $count, connections => 256, prepared => '', spin => '')->{per_second};
}

run($_) for qw(disk memory);
for (1 .. $rounds) {
    push @{ $rate{$_} }, run($_) for qw(disk memory);
}
AW::Bench::consumer_end($consumer);
my @ratios = map { $rate{disk}[$_] / $rate{memory}[$_] } 0 .. $rounds - 1;
AW::Bench::report(name => 'ack_modes', value => AW::Bench::median(@ratios), unit => 'requests/s with disk acks / with memory acks', goal => '>= 0.80',
    floor => 0.60, runs => \@ratios, map { ("${_}_per_s" => AW::Bench::rounded(AW::Bench::median(@{ $rate{$_} }))) } keys %rate);
