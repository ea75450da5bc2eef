#!/usr/bin/env perl
# Every correlation scenario of t/vectors through the running product, on each store: alerts out of the queue file with the
# received times of the scenario, what is done by hand through the API at its times, incidents, members, scores and states
# as the API shows them.
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

for my $kind (@ARGV ? @ARGV : ('sqlite', AW::Mongo->kinds)) {
    subtest $kind => sub {
        my $server = $kind eq 'sqlite' ? undef : AW::Mongo->start($kind);
        my $clock = AW::Clock->new;
        my $stack = AW::Stack->new(store => $server ? $server->database('alertwhisper') : 'sqlite', companies => 0, worker_env => $clock->env);
        my $scenarios = AW::Scenarios->new(stack => $stack, clock => $clock);
        $stack->setup;
        $scenarios->prepare;
        $stack->start;
        my $began = time;
        $scenarios->play;
        note sprintf '%.0f s; %s', time - $began, join ', ', map { "$_ $scenarios->{count}{$_}" } sort keys %{ $scenarios->count };
        is $scenarios->size, 120, 'scenarios';
        is $scenarios->{compared}, 120, 'all are compared';
        is join("\n", $scenarios->wrong), '', 'all as expected';
        $stack->end_worker;
        is $stack->log_trouble, '', 'no trouble in the logs';
    };
}
done_testing;
