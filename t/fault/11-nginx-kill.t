#!/usr/bin/env perl
# An acknowledged alert survives kill -9 of nginx workers and master, reloads and binary upgrades. Ack: disk.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;
use Time::HiRes qw(sleep);

my %times = $ENV{AW_SHORT} ? (worker => 4, master => 1, reload => 3, upgrade => 1) : (worker => 20, master => 3, reload => 10, upgrade => 2);
my $stack = AW::Stack->new(workers => 3)->start;
my %do = (
    worker => sub {
        my @workers = $stack->nginx_workers;
        my $victim = $workers[rand @workers];
        kill 'KILL', $victim;
        AW::Stack::wait_for('the worker is replaced', sub { $stack->nginx_workers >= 3 && !grep { $_ == $victim } $stack->nginx_workers });
    },
    master => sub { $stack->crash_nginx_master },
    reload => sub { $stack->reload_nginx },
    upgrade => sub { $stack->upgrade_nginx },
);
srand 11;
for my $what (qw(worker reload upgrade master)) {
    my $load = $stack->load_start(seconds => 3600, count => 400 * $times{$what} + 500, rate => 1000, connections => 64, copies => 3, retry => '');
    for my $n (1 .. $times{$what}) {
        sleep 0.05 + rand 0.3;
        $do{$what}->();
    }
    my $sent = $stack->load_wait($load);
    $stack->drained;
    my $got = $stack->ledger(floor => $sent->{deliveries});
    ok $got->{good}, "$what, $times{$what} times" or diag explain $got;
    # Idle connections may be closed as the client writes to them; a request that was accepted must get its answer.
    is $sent->{acked} - $sent->{duplicates}, $sent->{deliveries}, "$what: every accepted request gets its answer"
        if $what eq 'reload' || $what eq 'upgrade';
    note explain { sent => $sent, ledger => $got };
}
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
