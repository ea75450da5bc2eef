#!/usr/bin/env perl
# SIGTERM ends the worker in under 5 s, however the database is away: frozen under load, gone, or frozen before the
# worker has started. Nothing is lost and nothing happens twice when both are back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Mongo;
use AW::Stack;
use Test::More;

sub metric {
    my ($stack, $name) = @_;
    return HTTP::Tiny->new(timeout => 10)->get($stack->url('/metrics'))->{content} =~ /^\Q$name\E (\S+)$/m ? $1 : 0;
}
sub worker_says {
    my ($stack, $what) = @_;
    return AW::Stack::slurp("$stack->{dir}/logs/worker.log") =~ /$what/;
}
sub ends_in_time {
    my ($stack, $how) = @_;
    cmp_ok $stack->end_worker('TERM'), '<', 5, "$how: ended in under 5 s";
    is $stack->{worker_status}, 0, "$how: ended well";
    return;
}

my %cases = (
    java => sub {
        my ($stack, $server) = @_;
        $server->freeze;
        my $held = $stack->queue_info->{bytes};
        AW::Stack::wait_for('alerts wait for a commit', sub { $stack->queue_info->{bytes} > $held + 4096 });
        ends_in_time($stack, 'frozen under load');
        $stack->start_worker;
        AW::Stack::wait_for('a worker waits for the store', sub { worker_says($stack, 'store\.awaited') });
        ends_in_time($stack, 'waiting for the store');
        $server->thaw;
    },
    ferretdb => sub {
        my ($stack, $server) = @_;
        $server->kill;
        AW::Stack::wait_for('the store is seen to be down', sub { metric($stack, 'aw_store_down') == 1 });
        ends_in_time($stack, 'the database is gone');
        $server->restart;
    },
);
my %plans = (java => [5000, 200], ferretdb => [400, 20]);
for my $kind (AW::Mongo->kinds) {
    subtest $kind => sub {
        my $server = AW::Mongo->start($kind);
        my $stack = AW::Stack->new(store => $server->database('stop'), assets => 2)->start;
        my ($count, $rate) = @{ $plans{$kind} };
        my $load = $stack->load_start(count => $count, rate => $rate, connections => 16, signatures => 1);
        AW::Stack::wait_for('alerts are stored', sub { metric($stack, 'aw_pipeline_records_total') > 20 });
        $cases{$kind}->($stack, $server);
        $stack->start_worker->ready(60);
        my $sent = $stack->load_wait($load);
        $stack->drained(120);
        my $got = $stack->ledger(floor => $count);
        ok $got->{good}, 'nothing lost, nothing twice' or diag explain $got;
        is $got->{ok}, $sent->{deliveries}, 'all are stored';
        note explain { sent => $sent, ledger => $got };
        ends_in_time($stack, 'in peace');
        is $stack->log_trouble, '', 'no trouble in the logs';
    };
}
done_testing;
