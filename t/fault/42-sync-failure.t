#!/usr/bin/env perl
# The disk under the queue fails: every fdatasync of the nginx workers ends with EIO. A disk ack is then refused with 503
# until the worker has taken over what may be lost and a sync succeeds again; nothing that was acknowledged is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign alert_json);
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;

my $stack = AW::Stack->new->start;
my $tracer;

sub break_disk {
    my @pids = $stack->nginx_workers;
    $tracer = fork // die;
    if (!$tracer) {
        open STDERR, '>', "$stack->{dir}/logs/strace";
        exec 'strace', '-f', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO', map { ('-p', $_) } @pids;
    }
    my @threads = map { glob "/proc/$_/task/*/status" } @pids;
    AW::Stack::wait_for('strace is attached', sub { !grep { AW::Stack::slurp($_) =~ /^TracerPid:\s*0$/m } @threads });
}

sub mend_disk {
    my $pid = $tracer;
    undef $tracer;
    kill 'INT', $pid;
    waitpid $pid, 0;
}
END { kill 'KILL', $tracer if $tracer }

sub figures { return decode_json(HTTP::Tiny->new->get($stack->url('/edge/status'))->{content}) }
sub probe {
    my $target = $stack->{targets}[0];
    my $body = alert_json(asset_name => $target->{assets}[0], message => 'probe ' . rand);
    my %sign = sign($target->{hmac_secret}, $body);
    return HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => $body,
        headers => { 'Content-Type' => 'application/json', 'X-API-Key' => $target->{api_key}, %sign } });
}

# --- the worker drains meanwhile: what it has stored may be acknowledged, the rest hears 503 and comes again ---
my $n = $ENV{AW_SHORT} ? 1500 : 4000;
my $load = $stack->load_start(count => $n, rate => 500, connections => 32, copies => 2, retry => '');
AW::Stack::wait_for('alerts are taken', sub { figures()->{sync}{count} > 50 });
break_disk();
AW::Stack::wait_for('syncs fail', sub { figures()->{sync}{failures} > 20 });
mend_disk();
my $sent = $stack->load_wait($load);
cmp_ok $sent->{answers}{503}, '>', 20, 'failed syncs are answered 503';
is $sent->{unsettled}, 0, 'and every delivery is accepted in the end';
$stack->drained;
my $got = $stack->ledger(floor => $n);
ok $got->{good}, 'nothing lost, nothing twice' or diag explain $got;
is $got->{ok}, $n, 'all are stored';

# --- nobody drains: no yes at all, also when the disk works again, until the worker has what may be lost ---
kill 'STOP', $stack->{worker};
break_disk();
my $refused = $stack->load_wait($stack->load_start(count => 200, connections => 16));
is_deeply $refused->{answers}, { 503 => 200 }, 'every answer is 503';
mend_disk();
my $answer = probe();
is $answer->{status}, 503, 'the disk works again, but what it lost is still only in memory';
is decode_json($answer->{content})->{code}, 'queue_broken', 'the code says so';
ok $answer->{headers}{'retry-after'}, 'Retry-After';
ok $stack->queue_info->{sync_broken}, 'the queue inspector says so';
kill 'CONT', $stack->{worker};
AW::Stack::wait_for('acks go on', sub { probe()->{status} == 200 }, 10);
$stack->drained;
ok !$stack->queue_info->{sync_broken}, 'mended';
my $end = $stack->ledger;
is $end->{$_}, 0, "in the end: $_" for qw(lost duplicated refused_but_stored corrupt recount);
is $end->{recovered}, 200, 'what was refused after the append was kept, and is counted as unknown';
note explain { sent => $sent, ledger => $end };
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
