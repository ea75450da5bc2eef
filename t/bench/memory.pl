#!/usr/bin/env perl
# Resident memory of the worker after a million alerts: its own, without the pages of mapped files (the queue file's, of
# 256 MiB here, belong to the page cache); and bytes of the edge table per company with 64 assets.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my $product = AW::Bench::product();
my $bytes = AW::Bench::edge_bytes("$product->{shm}/edge");
AW::Bench::report(name => 'memory_edge', value => $bytes / $product->{companies}, unit => 'bytes per company with 64 assets', goal => '<= 16384');
my $before = AW::Bench::rss_mib($product->{worker}, 'RssAnon');
AW::Bench::feed($product, 1_000_000);
AW::Bench::must_hold($product, 1_000_000);
AW::Bench::report(name => 'memory', value => AW::Bench::rss_mib($product->{worker}, 'RssAnon'), unit => 'MiB', goal => '<= 150', at_start => AW::Bench::rounded($before),
    with_mapped_files => AW::Bench::rounded(AW::Bench::rss_mib($product->{worker})));
