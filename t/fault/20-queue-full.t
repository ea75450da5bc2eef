#!/usr/bin/env perl
# A frozen worker: nginx goes on until the high-water mark, then answers 503 with Retry-After, and nothing is overwritten.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;

my $stack = AW::Stack->new(queue_size => '2m')->start;
kill 'STOP', $stack->{worker};
my $full = $stack->load_wait($stack->load_start(count => 6000, connections => 32));
cmp_ok $full->{answers}{200}, '>', 500, 'accepted up to the mark';
cmp_ok $full->{answers}{503}, '>', 500, 'then 503';
is_deeply [sort keys %{ $full->{answers} }], [200, 503], 'and nothing else';
my $info = $stack->queue_info;
cmp_ok $info->{fill_percent}, '>=', 75, 'filled to the high-water mark';
cmp_ok $info->{fill_percent}, '<=', 81, 'and not beyond it';
my $answer = HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => 'x', headers => { 'Content-Type' => 'application/json' } });
is $answer->{status}, 401, 'a bad key is still a bad key';
kill 'CONT', $stack->{worker};
my $again = $stack->load_wait($stack->load_start(count => 1000, connections => 32, retry => ''));
is $again->{unsettled}, 0, 'once it goes on, everything is accepted';
$stack->drained;
my $got = $stack->ledger(floor => $full->{answers}{200} + 1000);
ok $got->{good}, 'nothing lost, nothing stored that was refused' or diag explain $got;
note explain { full => $full, ledger => $got };
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
