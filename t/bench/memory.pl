#!/usr/bin/env perl
# Resident memory of the worker after a million alerts, without what it shares (the mapped queue file), and bytes of the
# edge table per company with 64 assets.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my $product = AW::Bench::product();
my $generation = AW::Bench::edge_bytes("$product->{shm}/edge");
AW::Bench::report(name => 'memory_edge', value => $generation / $product->{companies}, unit => 'bytes per company with 64 assets', goal => '<= 16384');
my $before = AW::Bench::rss_mib($product->{worker});
AW::Bench::feed($product, 1_000_000);
AW::Bench::must_hold($product, 1_000_000);
AW::Bench::report(name => 'memory', value => AW::Bench::rss_mib($product->{worker}), unit => 'MiB', goal => '<= 150', at_start => AW::Bench::rounded($before),
    shared => AW::Bench::rounded(AW::Bench::rss_mib($product->{worker}, 'RssFile')));
