#!/usr/bin/env perl
# Power cuts: queue and database lie on a file system in a file; everything is frozen, the file is copied as it is at
# that instant, and the copy is what the next boot finds. The same load goes on over all cuts and retries what was cut.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Disk;
use AW::Stack;
use Test::More;
use Time::HiRes qw(sleep);

my $cuts = $ENV{AW_SHORT} ? 3 : 10;
my $disk = AW::Disk->new(size => '192M');
my $mount = $disk->{path};
mkdir "$mount/$_" for qw(queue data);

my %test_build = (build => 'crash', module => "$AW::Stack::TOP/build/crash/module/ngx_http_alertwhisper_module.so");
my $stack = AW::Stack->new(%test_build, queue_dir => "$mount/queue", db_path => "$mount/data/aw.db");
$stack->{nginx_env} = ['AW_BOOT_ID'];
$stack->write_conf;
# Ids of boots: a power cut means another one.
sub boot { $ENV{AW_BOOT_ID} = sprintf '%08x-0000-4000-8000-000000000000', shift }
boot(1);
$stack->start;
my $load = $stack->load_start(seconds => 3600, count => 1500 * $cuts, rate => 1200, connections => 64, copies => 2, retry => '');
srand 42;
for my $cut (1 .. $cuts) {
    sleep 0.3 + rand 0.5;
    kill 'STOP', $stack->nginx_pid;
    my @pids = ($stack->{worker}, $stack->nginx_pid, AW::Stack::children_of($stack->nginx_pid));
    kill 'STOP', @pids;
    $disk->freeze;
    kill 'KILL', @pids;
    $stack->end_worker('KILL');
    AW::Stack::wait_for('nginx is dead', sub { !grep { !AW::Stack::is_dead($_) } @pids });
    # A process of many threads counts as dead when its first thread is; the others let the files go a little later.
    AW::Stack::wait_for('the disk is let go', sub { $disk->umount });
    unlink glob "$stack->{shm}/*";
    $disk->mount;
    boot($cut + 1);
    $stack->start_nginx->start_worker->ready;
}
my $sent = $stack->load_wait($load, 240);
$stack->drained;
my $got = $stack->ledger(floor => 1500 * $cuts);
ok $got->{good}, "$cuts power cuts, disk ack: nothing lost, nothing twice" or diag explain $got;
is $sent->{unsettled}, 0, 'every delivery was accepted in the end';
note explain { sent => $sent, ledger => $got };
$stack->end_worker;
$stack->stop_nginx;
is $stack->log_trouble, '', 'no trouble in the logs';
undef $stack;
done_testing;
