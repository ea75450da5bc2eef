#!/usr/bin/env perl
# Every correlation scenario of t/vectors through the running product, on each store: alerts out of the queue file with the
# received times of the scenario, what is done by hand through the API at its times, incidents, members, scores and states
# as the API shows them. Words choose stores.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use AW::Clock;
use AW::Mongo;
use AW::Scenarios;
use AW::Stack;
use Test::More;
use Time::HiRes qw(time);

# Scenarios side by side in one database. FerretDB reads all rows of a collection for nearly every query: small ones.
my %together = (sqlite => 120, java => 120, ferretdb => 10);

# FerretDB takes longer than the others together, most of it waiting: it runs beside them.
my $slow = 'ferretdb';
my $beside;
if (!@ARGV) {
    open $beside, '-|', $^X, $0, $slow or BAIL_OUT("$slow: $!");
}
for my $kind (@ARGV ? @ARGV : ('sqlite', grep { $_ ne $slow } AW::Mongo->kinds)) {
    subtest $kind => sub {
        my $server = $kind eq 'sqlite' ? undef : AW::Mongo->start($kind);
        my $began = time;
        my %done;
        for (my $first = 0; $first < AW::Scenarios->total; $first += $together{$kind}) {
            my $clock = AW::Clock->new;
            my $stack = AW::Stack->new(store => $server ? $server->database("alertwhisper$first") : 'sqlite', companies => 0, workers => 1, worker_env => $clock->env);
            my $scenarios = AW::Scenarios->new(stack => $stack, clock => $clock, first => $first, count => $together{$kind});
            $stack->setup;
            $scenarios->prepare;
            $stack->start;
            $scenarios->play;
            $done{$_} += $scenarios->done->{$_} for keys %{ $scenarios->done };
            is join("\n", $scenarios->wrong), '', "from $first: all as expected";
            $stack->end_worker;
            is $stack->log_trouble, '', "from $first: no trouble in the logs";
        }
        is $done{scenarios}, 120, 'scenarios';
        note sprintf '%.0f s; %s', time - $began, join ', ', map { "$_ $done{$_}" } sort keys %done;
    };
}
if ($beside) {
    my @lines = <$beside>;
    close $beside;
    is $?, 0, $slow or diag @lines;
    note grep { /scenarios \d/ } @lines;
}
done_testing;
