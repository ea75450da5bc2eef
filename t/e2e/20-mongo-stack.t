#!/usr/bin/env perl
# The whole product on MongoDB: an acknowledged alert takes effect once, whatever dies. On FerretDB the database is
# killed too, since it keeps what it has acknowledged; on mongo-java-server the worker alone.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use AW::Mongo;
use AW::Stack;
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(sleep);

my %kills = (
    java     => {worker => 8, database => 0, count => 2000, rate => 400},
    ferretdb => {worker => 2, database => 4, count => 400,  rate => 60},
);
srand 11;
for my $kind (AW::Mongo->kinds) {
    subtest $kind => sub {
        my $plan = $kills{$kind};
        my $server = AW::Mongo->start($kind);
        my $stack = AW::Stack->new(store => $server->database('alertwhisper'))->start;
        my $load = $stack->load_start(seconds => 3600, count => $plan->{count}, rate => $plan->{rate}, connections => 16, copies => 2, retry => '');
        my @victims = shuffle(('worker') x $plan->{worker}, ('database') x $plan->{database});
        for my $victim (@victims) {
            sleep 0.2 + rand 0.5;
            if ($victim eq 'worker') {
                $stack->end_worker('KILL');
                $stack->start_worker;
            } else {
                $server->kill;
                sleep 0.5;
                $server->restart;
            }
            $stack->ready;
        }
        my $sent = $stack->load_wait($load);
        $stack->ready->drained(120);
        my $got = $stack->ledger(floor => $plan->{count});
        ok $got->{good}, 'the ledger agrees' or diag explain $got;
        is $got->{ok}, $sent->{deliveries}, 'every delivery is stored once';
        note explain {sent => $sent, ledger => $got};
        cmp_ok $stack->end_worker('TERM'), '<', 5, 'SIGTERM stops the worker in under 5 s';
        is $stack->{worker_status}, 0, 'and it ends well';
        is $stack->log_trouble, '', 'no trouble in the logs';
    };
}
done_testing;
