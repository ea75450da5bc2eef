#!/usr/bin/env perl
# The correlation engine alone, one core, 50,000 live keys.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;
use JSON::PP qw(decode_json);

my $figures = decode_json(qx{taskset -c 1 $AW::Bench::BENCH/bench_correlate 50000 1000000 5});
die 'the keys are not live' if $figures->{groups} != 50_000;
AW::Bench::report(name => 'correlate', value => AW::Bench::median(@{ $figures->{runs} }), unit => 'alerts/s of one core', goal => '>= 5000000',
    runs => $figures->{runs});
