#!/usr/bin/env perl
# Every delivery is sent one to eight times at once over several nginx workers: one alert each, whatever the ack.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;

for my $ack (qw(disk memory)) {
    my $stack = AW::Stack->new(workers => 4, ack => $ack)->start;
    my $n = $ENV{AW_SHORT} ? 1000 : 5000;
    my $sent = $stack->load_wait($stack->load_start(count => $n, connections => 96, copies => 8, retry => ''));
    # A memory ack waits at most 2 ms for the lock: on a busy machine a few senders are told to come again.
    is_deeply [grep { $_ != 200 && $_ != 503 } keys %{ $sent->{answers} }], [], "$ack: copies are answered 200, or told to come again";
    cmp_ok $sent->{answers}{503} // 0, '<', $n / 50, "$ack: hardly ever told to come again";
    is $sent->{acked} - $sent->{duplicates}, $n, "$ack: one of them as new";
    $stack->drained;
    my $got = $stack->ledger(floor => $n);
    ok $got->{good}, "$ack: one alert for each delivery" or diag explain $got;
    my $attempts = 0;
    $attempts += $_->{delivery_attempts} for map { @{ $stack->api(GET => "/api/alerts?company_id=$_&limit=500")->{json}{items} } } 'comp-1', 'comp-2';
    cmp_ok $attempts, '>', 1000, "$ack: repeats are counted on the alert";
    $stack->end_worker;
    is $stack->log_trouble, '', "$ack: no trouble in the logs";
}
done_testing;
