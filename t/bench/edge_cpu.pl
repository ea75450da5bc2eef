#!/usr/bin/env perl
# Processor time of a bare `return 200` against that of a verified, queued and consumed alert, per request. A round has an
# nginx of its own and takes turns in short pieces, so that what else the machine does meets both.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;
use List::Util qw(sum0);

my ($rounds, $pieces, $count) = (5, 10, 35_000);

sub cost {
    my ($edge, $consumer, $path) = @_;
    my @nginx = $edge->nginx_workers;
    my @before = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    my $load = AW::Bench::load($edge, path => $path, count => $count, connections => 64, prepared => '', spin => '');
    my @after = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    return { nginx => ($after[0] - $before[0]) / $count, consumer => ($after[1] - $before[1]) / $count, rate => $load->{per_second} };
}

sub mean { my ($of, @costs) = @_; return sum0(map { $_->{$of} } @costs) / @costs }

my (@ratios, %of);
for (1 .. $rounds) {
    # The sizes of the sample site; all keys of the round fit.
    my $edge = AW::Bench::edge(ids => '1m');
    my $consumer = AW::Bench::consumer_start($edge);
    cost($edge, $consumer, $_) for '/return', '/memory';
    my (@bare, @full);
    for (1 .. $pieces) {
        push @bare, cost($edge, $consumer, '/return');
        push @full, cost($edge, $consumer, '/memory');
    }
    my $taken = AW::Bench::consumer_end($consumer);
    die "the consumer got $taken->{records}" if $taken->{records} != ($pieces + 1) * $count;
    push @ratios, mean(nginx => @bare) / (mean(nginx => @full) + mean(consumer => @full));
    push @{ $of{return_us} }, mean(nginx => @bare);
    push @{ $of{return_per_s} }, mean(rate => @bare);
    push @{ $of{nginx_us} }, mean(nginx => @full);
    push @{ $of{consumer_us} }, mean(consumer => @full);
    push @{ $of{alerts_per_s} }, mean(rate => @full);
}
AW::Bench::report(name => 'edge_cpu', value => AW::Bench::median(@ratios), unit => 'cpu of return 200 / cpu of nginx + consumer', goal => '>= 0.80',
    floor => 0.70, runs => \@ratios, map { $_ => AW::Bench::rounded(AW::Bench::median(@{ $of{$_} })) } keys %of);
