#!/usr/bin/env perl
# An acknowledged alert survives kill -9 of the worker, and takes effect once. Ack: disk.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;
use Time::HiRes qw(sleep);

my $kills = $ENV{AW_SHORT} ? 4 : 20;
my $stack = AW::Stack->new->start;
my $load = $stack->load_start(seconds => 3600, count => 500 * $kills, rate => 1000, connections => 64, copies => 2, retry => '');
srand 7;
for my $n (1 .. $kills) {
    sleep 0.1 + rand 0.35;
    $stack->end_worker('KILL');
    $stack->start_worker;
    # Every other kill hits a worker that has drained for a while, the others one that has just begun.
    $stack->ready if $n % 2;
}
my $sent = $stack->load_wait($load);
$stack->ready->drained;
my $got = $stack->ledger(floor => 500 * $kills);
ok $got->{good}, "worker killed $kills times" or diag explain $got;
is $got->{ok}, $sent->{deliveries}, 'every delivery is stored once';
note explain { sent => $sent, ledger => $got };
my $seconds = $stack->end_worker('TERM');
cmp_ok $seconds, '<', 5, 'SIGTERM stops the worker in under 5 s';
is $stack->{worker_status}, 0, 'and it ends well';
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
