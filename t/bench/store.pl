#!/usr/bin/env perl
# Alerts correlated and stored per second, all rows of them, from the queue file: SQLite with synchronous=FULL, and
# mongo-java-server (a stand-in for MongoDB).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;
use AW::Mongo;

sub measure {
    my ($name, $alerts, $goal, %o) = @_;
    my $product = AW::Bench::product(%o);
    my $fed = AW::Bench::feed($product, $alerts);
    AW::Bench::must_hold($product, $alerts);
    AW::Bench::report(name => $name, value => $fed->{per_second}, unit => 'alerts/s', goal => $goal, alerts => $alerts,
        worker_us => AW::Bench::rounded($fed->{cpu_us}));
}

measure('store', 500_000, '>= 20000');
my $mongo = AW::Mongo->start('java');
# No delivery comes twice, so no row of one is replaced: its index would cost what MongoDB does not pay.
measure('store_mongo', 100_000, '>= 5000', store => $mongo->database('bench', 'deliveries'));
