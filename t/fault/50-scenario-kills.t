#!/usr/bin/env perl
# The correlation scenarios of t/vectors in the running product, whose worker is killed in its commits time and again: at a
# write, before and behind the commit point, while rows are brought in, in turn. (Every write of every commit is walked without
# the rest of the product by t/unit/domain_scenarios.c and t/e2e/31-scenario-kills.t.) Words choose stores.
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

my %points = (
    sqlite => ['store.commit.before', 'store.commit.after', map { "store.commit.write:$_" } 1 .. 7, 20, 60],
    java   => [(map { "mongo.commit.$_" } qw(before_journal after_journal applied done)), map { "mongo.apply.sent:$_" } 1 .. 7, 15, 40],
);
my $kills = $ENV{AW_SHORT} ? 15 : 60;
for my $kind (@ARGV ? @ARGV : qw(sqlite java)) {
    subtest $kind => sub {
        my $server = $kind eq 'sqlite' ? undef : AW::Mongo->start($kind);
        my $clock = AW::Clock->new;
        my $stack = AW::Stack->new(store => $server ? $server->database('alertwhisper') : 'sqlite', companies => 0, workers => 1, build => 'crash');
        my ($lives, %killed) = (0);
        my $live = sub {
            my $point = $lives < $kills ? $points{$kind}[ $lives++ % @{ $points{$kind} } ] : undef;
            $stack->{worker_env} = { %{ $clock->env }, ($point ? (AW_CRASH_AT => $point) : ()) };
            $stack->start_worker;
            $stack->{point} = $point;
        };
        my $scenarios = AW::Scenarios->new(stack => $stack, clock => $clock, supervise => sub {
            is $stack->{worker_status}, 9, "killed at $stack->{point}" or die 'the worker has ended by itself';
            $killed{ $stack->{point} }++;
            $live->();
        });
        my $began = time;
        $stack->setup;
        $scenarios->prepare;
        $stack->start_nginx;
        $live->();
        $scenarios->play;
        is join("\n", $scenarios->wrong), '', 'all as expected';
        is $scenarios->done->{scenarios}, 120, 'scenarios';
        my $sum = 0;
        $sum += $_ for values %killed;
        is $sum, $kills, 'kills';
        note sprintf '%.0f s; %s', time - $began, join ', ', map { "$_ " . $scenarios->done->{$_} } sort keys %{ $scenarios->done };
        note join ', ', map { "$_ $killed{$_} times" } sort keys %killed;
        $stack->end_worker;
        is $stack->log_trouble, '', 'no trouble in the logs';
    };
}
done_testing;
