#!/usr/bin/env perl
# Processor time per alert from POST to stored incident: nginx and worker, all threads, disk acks, SQLite with
# synchronous=FULL, 256 connections in a closed loop until all are acked, then until all are stored.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my ($rounds, $count) = (5, 40_000);
my $product = AW::Bench::product();
my @nginx = $product->nginx_workers;
my (@nginx_us, @worker_us, @all);

sub round {
    my @before = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($product->{worker}));
    AW::Bench::load($product, path => '/disk', count => $count, connections => 256, prepared => '', spin => '');
    $product->drained(300);
    return ((AW::Bench::cpu_us(@nginx) - $before[0]) / $count, (AW::Bench::cpu_us($product->{worker}) - $before[1]) / $count);
}

round();
for (1 .. $rounds) {
    my ($edge, $worker) = round();
    push @nginx_us, $edge;
    push @worker_us, $worker;
    push @all, $edge + $worker;
}
AW::Bench::must_hold($product, ($rounds + 1) * $count);
AW::Bench::report(name => 'whole_cpu', value => AW::Bench::median(@all), unit => 'us of processor time per alert', goal => '<= 40', runs => \@all,
    nginx_us => AW::Bench::rounded(AW::Bench::median(@nginx_us)), worker_us => AW::Bench::rounded(AW::Bench::median(@worker_us)));
