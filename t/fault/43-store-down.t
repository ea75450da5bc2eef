#!/usr/bin/env perl
# The database is killed under load, stays away for half a minute and comes back with its data: alerts are taken all the
# while, /readyz, metrics and log tell what is wrong, and everything is stored once in the end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Mongo;
use AW::Stack;
use Test::More;
use Time::HiRes qw(sleep time);

# What waits is small enough for FerretDB to take in within seconds.
my ($down, $rate) = $ENV{AW_SHORT} ? (8, 50) : (30, 20);
my $server = AW::Mongo->start('ferretdb');
# Few keys: FerretDB scans its collections for every row that is replaced.
my $stack = AW::Stack->new(store => $server->database('fault'), assets => 2)->start;
my $count = $rate * ($down + 4);
my $load = $stack->load_start(count => $count, rate => $rate, connections => 16, signatures => 1);

sub readyz { return HTTP::Tiny->new(timeout => 10)->get($stack->url('/readyz')) }
sub metric { return HTTP::Tiny->new(timeout => 10)->get($stack->url('/metrics'))->{content} =~ /^\Q$_[0]\E (\S+)$/m ? $1 : undef }
AW::Stack::wait_for('alerts are stored', sub { (metric('aw_pipeline_records_total') // 0) > 20 });
is metric('aw_store_down'), 0, 'the store is up';

$server->kill;
my $killed = time;
AW::Stack::wait_for('/readyz says 503', sub { readyz()->{status} == 503 });
my ($check) = grep { $_->{name} eq 'store' } @{ JSON::PP::decode_json(readyz()->{content})->{checks} };
ok !$check->{ok}, '/readyz names the store';
is(HTTP::Tiny->new->get($stack->url('/healthz'))->{status}, 200, 'the process lives');
AW::Stack::wait_for('the metric says it is down', sub { (metric('aw_store_down') // 0) == 1 });
my $answer = HTTP::Tiny->new->post($stack->url('/api/auth/login'), { headers => { 'Content-Type' => 'application/json' },
    content => '{"email":"a@example.com","password":"not-known-at-all"}' });
is $answer->{status}, 503, 'a call of the API that needs the store: 503';
ok $answer->{headers}{'retry-after'}, 'with Retry-After';
ok $stack->load_running($load), 'alerts are still sent';
my $depth = 0;
while (time - $killed < $down) {
    my $now = $stack->queue_info->{bytes};
    $depth = $now if $now > $depth;
    ok 0, 'the worker lives' if !$stack->worker_alive;
    sleep 0.5;
}
cmp_ok $depth, '>', 256 * $rate * $down / 2, 'the queue holds what waits';
is readyz()->{status}, 503, 'still not ready';

$server->restart;
my $back = time;
$stack->ready(20);
note sprintf 'ready %.1f s after the store', time - $back;
my $sent = $stack->load_wait($load);
is_deeply [keys %{ $sent->{answers} }], [200], 'every alert was answered 200 all the while';
$stack->drained(120);
is metric('aw_store_down'), 0, 'the metric says it is up';
like AW::Stack::slurp("$stack->{dir}/logs/worker.log"), qr/"store\.down".*"store\.up"/s, 'the log tells both';
my $got = $stack->ledger(floor => $count);
ok $got->{good}, 'nothing lost, nothing twice' or diag explain $got;
is $got->{ok}, $count, 'all are stored';
note explain { sent => $sent, ledger => $got, depth => $depth };
$stack->end_worker;
is $stack->{worker_status}, 0, 'and the worker ends well';
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
