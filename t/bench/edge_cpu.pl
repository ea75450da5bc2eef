#!/usr/bin/env perl
# Processor time of a bare `return 200` against that of a verified, queued and consumed alert, per request.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AW::Bench;

my ($rounds, $count) = (5, 100_000);
my $edge = AW::Bench::edge();
my $consumer = AW::Bench::consumer_start($edge);
my @nginx = $edge->nginx_workers;

sub cost {
    my ($path) = @_;
    my @before = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    my $load = AW::Bench::load($edge, path => $path, count => $count, connections => 64, prepared => '', spin => '');
    my @after = (AW::Bench::cpu_us(@nginx), AW::Bench::cpu_us($consumer->{pid}));
    return { nginx => ($after[0] - $before[0]) / $count, consumer => ($after[1] - $before[1]) / $count, rate => $load->{per_second} };
}

cost($_) for '/return', '/memory';
my (@ratios, @bare, @full);
for (1 .. $rounds) {
    push @bare, cost('/return');
    push @full, cost('/memory');
    push @ratios, $bare[-1]{nginx} / ($full[-1]{nginx} + $full[-1]{consumer});
}
my $taken = AW::Bench::consumer_end($consumer);
die "the consumer got $taken->{records}" if $taken->{records} != ($rounds + 1) * $count;
my %of = (return_us => [map { $_->{nginx} } @bare], nginx_us => [map { $_->{nginx} } @full], consumer_us => [map { $_->{consumer} } @full],
    return_per_s => [map { $_->{rate} } @bare], alerts_per_s => [map { $_->{rate} } @full]);
AW::Bench::report(name => 'edge_cpu', value => AW::Bench::median(@ratios), unit => 'cpu of return 200 / cpu of nginx + consumer', goal => '>= 0.80',
    floor => 0.70, runs => \@ratios, map { $_ => AW::Bench::rounded(AW::Bench::median(@{ $of{$_} })) } keys %of);
