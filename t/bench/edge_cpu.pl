#!/usr/bin/env perl
# Processor time of a bare `return 200` against that of a verified, queued and consumed alert, per request. A round takes
# turns in short pieces, so that what else the machine does meets both.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;
use List::Util qw(sum0);

my ($rounds, $pieces, $count) = (5, 2, 35_000);
# The sizes of the sample site; all keys of the run fit.
my $edge = AW::Bench::edge(ids => '1m');
my $consumer = AW::Bench::consumer_start($edge);
my @nginx = $edge->nginx_workers;

sub cost {
    my ($path) = @_;
    my @before = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    my $load = AW::Bench::load($edge, path => $path, count => $count, connections => 64, prepared => '', spin => '');
    my @after = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    return { nginx => ($after[0] - $before[0]) / $count, consumer => ($after[1] - $before[1]) / $count, rate => $load->{per_second} };
}

sub mean { my ($of, @costs) = @_; return sum0(map { $_->{$of} } @costs) / @costs }

cost($_) for '/return', '/memory';
my (@ratios, %of);
for (1 .. $rounds) {
    my (@bare, @full);
    for (1 .. $pieces) {
        push @bare, cost('/return');
        push @full, cost('/memory');
    }
    push @ratios, mean(nginx => @bare) / (mean(nginx => @full) + mean(consumer => @full));
    push @{ $of{return_us} }, mean(nginx => @bare);
    push @{ $of{return_per_s} }, mean(rate => @bare);
    push @{ $of{nginx_us} }, mean(nginx => @full);
    push @{ $of{consumer_us} }, mean(consumer => @full);
    push @{ $of{alerts_per_s} }, mean(rate => @full);
}
my $taken = AW::Bench::consumer_end($consumer);
die "the consumer got $taken->{records}" if $taken->{records} != ($rounds * $pieces + 1) * $count;
AW::Bench::report(name => 'edge_cpu', value => AW::Bench::median(@ratios), unit => 'cpu of return 200 / cpu of nginx + consumer', goal => '>= 0.80',
    floor => 0.70, runs => \@ratios, map { $_ => AW::Bench::rounded(AW::Bench::median(@{ $of{$_} })) } keys %of);
