#!/usr/bin/env perl
# Two hosts, each with nginx, queue and worker, on one database, both under load: one worker writes, the other stands
# by. The writer is killed: the other takes over. The writer sleeps for longer than its lease: the other takes over, and
# the sleeper is fenced when it wakes up. Each alert takes effect once. The sleeper wants conditional updates with one
# winner, which FerretDB does not have.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use AW::Mongo;
use AW::Stack;
use Test::More;
use Time::HiRes qw(time);

my %plans = (java => {rate => 100, count => 5000}, ferretdb => {rate => 10, count => 300});

sub metric {
    my ($stack, $name) = @_;
    my $text = HTTP::Tiny->new(timeout => 5)->get($stack->url('/metrics'))->{content};
    return $text =~ /^\Q$name\E (\S+)$/m ? $1 : 0;
}
sub says {
    my ($stack, $event) = @_;
    my @said = AW::Stack::slurp("$stack->{dir}/logs/worker.log") =~ /"event":"\Q$event\E"/g;
    return scalar @said;
}
# Starts the worker; it finds that another writes.
sub stand_by {
    my ($stack) = @_;
    my $before = says($stack, 'store.awaited');
    $stack->start_worker;
    AW::Stack::wait_for('the worker stands by', sub { says($stack, 'store.awaited') > $before });
    return;
}
sub takes_over {
    my ($stack, $since, $how) = @_;
    $stack->ready(40);
    my $seconds = time - $since;
    cmp_ok $seconds, '<', 20, sprintf '%s: the other one writes after %.1f s', $how, $seconds;
    my $before = metric($stack, 'aw_pipeline_records_total');
    AW::Stack::wait_for('its alerts are stored', sub { metric($stack, 'aw_pipeline_records_total') > $before });
    return;
}
sub load {
    my ($stack, $plan, $seed) = @_;
    return $stack->load_start(count => $plan->{count}, rate => $plan->{rate}, connections => 8, copies => 2, retry => '', seed => $seed);
}

for my $kind (AW::Mongo->kinds) {
    subtest $kind => sub {
        my $plan = $plans{$kind};
        my $server = AW::Mongo->start($kind);
        my $one = AW::Stack->new(store => $server->database('standby'), assets => 2)->start;
        my $two = AW::Stack->new(store => $server->uri('standby'), assets => 2, targets => $one->{targets});
        AW::Stack::spew("$two->{dir}/data/master.key", AW::Stack::slurp("$one->{dir}/data/master.key"));
        chmod 0600, "$two->{dir}/data/master.key";
        $two->{admin} = $one->{admin};
        $two->write_target;
        $two->start_nginx;
        my $first = load($one, $plan, 1);
        AW::Stack::wait_for('alerts are stored', sub { metric($one, 'aw_pipeline_records_total') > 20 });
        stand_by($two);

        my $second = load($two, $plan, 2); # refused until its worker has published the edge table
        my $began = time;
        $one->end_worker('KILL');
        takes_over($two, $began, 'killed');
        stand_by($one);

        if ($kind ne 'ferretdb') {
            $began = time;
            kill 'STOP', $two->{worker};
            takes_over($one, $began, 'asleep');
            ok $two->load_running($second), 'alerts come in while the sleeper wakes up';
            kill 'CONT', $two->{worker};
            AW::Stack::wait_for('the sleeper ends', sub { !$two->worker_alive }, 30);
            isnt $two->{worker_status}, 0, 'the sleeper is fenced';
            is says($two, 'store.fenced'), 1, 'and says so';
            stand_by($two);
        }
        my ($writer, $other) = $kind eq 'ferretdb' ? ($two, $one) : ($one, $two);
        my $sent = [$one->load_wait($first), $two->load_wait($second)];
        $writer->drained(120);
        cmp_ok $writer->end_worker('TERM'), '<', 5, 'the writer stops in under 5 s';
        $other->ready(40)->drained(120);

        my $got = $one->ledger(floor => $plan->{count}, ledgers => [$first->{ledger}, $second->{ledger}]);
        ok $got->{good}, 'nothing lost, nothing twice' or diag explain $got;
        is $got->{ok}, $sent->[0]{deliveries} + $sent->[1]{deliveries}, 'every delivery is stored once';
        note explain {sent => $sent, ledger => $got};
        $other->end_worker('TERM');
        is $_->log_trouble, '', 'no trouble in the logs' for $one, $two;
    };
}
done_testing;
