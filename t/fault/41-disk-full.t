#!/usr/bin/env perl
# The database's file system runs full under load and is freed again: the worker waits and says so, nginx goes on taking
# alerts, nothing is lost. A queue that does not fit on its file system is refused at start, not found out by a signal.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Disk;
use AW::Stack;
use Test::More;
use Time::HiRes qw(time);

my $disk = AW::Disk->new(size => '160M', mkfs => ['-m', 0]);
my $mount = $disk->{path};
my ($stack, $large);
$stack = AW::Stack->new(db_path => "$mount/aw.db")->start;
sub readyz { return HTTP::Tiny->new(timeout => 10)->get($stack->url('/readyz')) }
sub metric { return HTTP::Tiny->new(timeout => 10)->get($stack->url('/metrics'))->{content} =~ /^\Q$_[0]\E (\S+)$/m ? $1 : undef }

# Takes all the room that is left.
sub fill {
    open my $f, '>', "$mount/ballast" or die;
    my $block = 'x' x 65536;
    while (1) {
        my $n = syswrite $f, $block;
        next if $n;
        last if length $block == 512;
        $block = 'x' x (length($block) / 2);
    }
    return;
}

my $n = $ENV{AW_SHORT} ? 2000 : 4000;
my $load = $stack->load_start(count => $n, rate => 400, connections => 32, copies => 2, retry => '');
AW::Stack::wait_for('alerts are stored', sub { (metric('aw_pipeline_records_total') // 0) > 200 });
fill();
AW::Stack::wait_for('/readyz says 503', sub { readyz()->{status} == 503 });
like readyz()->{content}, qr/"name":"store","ok":false/, '/readyz names the store';
is metric('aw_store_down'), 1, 'the metric says it too';
like AW::Stack::slurp("$stack->{dir}/logs/worker.log"), qr/"store\.down".*full/, 'the log tells why';
my $stored = metric('aw_pipeline_records_total');
AW::Stack::wait_for('alerts wait in the queue', sub { $stack->queue_info->{records} > 300 });
is metric('aw_pipeline_records_total'), $stored, 'nothing is released meanwhile';
ok $stack->worker_alive, 'the worker lives';

unlink "$mount/ballast";
my $freed = time;
AW::Stack::wait_for('the worker goes on', sub { metric('aw_pipeline_records_total') > $stored });
cmp_ok time - $freed, '<', 5, 'it goes on by itself within 5 s';
my $sent = $stack->load_wait($load);
is_deeply [keys %{ $sent->{answers} }], [200], 'every alert was answered 200 all the while';
$stack->ready->drained;
my $got = $stack->ledger(floor => $n);
ok $got->{good}, 'nothing lost, nothing twice' or diag explain $got;
is $got->{ok}, $n, 'all are stored';
like AW::Stack::slurp("$stack->{dir}/logs/worker.log"), qr/"store\.up"/, 'the log tells that it is over';

# --- the same with kill -9 in the full state ---
# The log of the database has room of its own by now: enough alerts to need more.
$load = $stack->load_start(count => 6000, rate => 1000, connections => 16, retry => '');
fill();
AW::Stack::wait_for('/readyz says 503', sub { readyz()->{status} == 503 }, 60);
$stack->load_wait($load);
$stack->end_worker('KILL');
unlink "$mount/ballast";
$stack->start_worker->ready->drained;
$got = $stack->ledger(floor => $n + 6000);
ok $got->{good}, 'a worker that was killed on a full disk has lost nothing' or diag explain $got;
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';

# --- a queue that does not fit ---
mkdir "$mount/queue";
$large = AW::Stack->new(queue_dir => "$mount/queue", queue_size => '192m');
$large->setup;
ok !eval { $large->start_nginx; 1 }, 'nginx refuses to start with a queue that does not fit';
like $@, qr/\[emerg\].*\Q$mount\E\/queue\/queue.*(?:space|full)/i, 'and says which file and why' or diag $@;
ok !$large->nginx_pid, 'nothing is left running';
unlike AW::Stack::slurp("$large->{dir}/logs/error.log") . $@, qr/signal/, 'no signal';
$large->{queue_size} = '2m';
$large->write_conf;
ok eval { $large->start_nginx; 1 }, 'the next size that fits is made at the same path' or diag $@;
undef $large;
undef $stack;
done_testing;
