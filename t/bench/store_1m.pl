#!/usr/bin/env perl
# The rate of storing with a million alerts already stored (SQLite, synchronous=FULL), against that of an empty store.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my $part = 250_000;
my $product = AW::Bench::product();
my @rates = map { AW::Bench::feed($product, $part)->{per_second} } 1 .. 5;
AW::Bench::must_hold($product, 5 * $part);
AW::Bench::report(name => 'store_1m', value => $rates[4] / $rates[0], unit => 'alerts/s after a million / of an empty store', goal => '>= 0.6', runs => \@rates);
