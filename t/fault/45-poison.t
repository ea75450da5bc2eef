#!/usr/bin/env perl
# Records that cannot become alerts, between good ones: they end as dead letters with their bytes and the reason, the good
# ones are all stored. Being killed, however often, condemns no record.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;
use Time::HiRes qw(sleep);

my $stack = AW::Stack->new->start;
my $queue = "$stack->{queue_dir}/queue";
sub metric { return HTTP::Tiny->new(timeout => 10)->get($stack->url('/metrics'))->{content} =~ /^\Q$_[0]\E (\S+)$/m ? $1 : undef }
sub forge {
    my ($company, $count, $body) = @_;
    open my $out, '-|', "$AW::Stack::TOP/build/release/t/tools/aw_queue_forge", $queue, $company, $count, $body or die;
    my @ids = map { chomp; $_ } <$out>;
    close $out or die 'aw_queue_forge';
    return @ids;
}
sub query {
    my ($sql) = @_;
    return qx{python3 -c 'import sqlite3,sys
for row in sqlite3.connect("file:$stack->{dir}/data/alertwhisper.db?mode=ro", uri=True).execute(sys.argv[1]): print(*row)' "$sql"};
}

# --- bodies that the module would never have let through ---
my %poison = ('no JSON' => '{"asset_name":', 'no object' => '[1,2]', 'a member is missing' => '{"asset_name":"srv-1-1"}',
    'not UTF-8' => "{\"asset_name\":\"\xff\xfe\"}", 'an unknown severity' => '{"asset_name":"a","signature":"s","severity":"awful","message":"m","tool_source":"t"}');
kill 'STOP', $stack->{worker};
my $n = $ENV{AW_SHORT} ? 600 : 2000;
my $load = $stack->load_start(count => $n, rate => 600, connections => 16, copies => 2, retry => '');
my %ids;
for my $what (sort keys %poison) {
    sleep 0.1;
    push @{ $ids{$what} }, forge('comp-1', 3, $poison{$what});
}
push @{ $ids{'no such company'} }, forge('comp-none', 2, '{"asset_name":"a","signature":"s","severity":"low","message":"m","tool_source":"t"}');
$stack->load_wait($load);
kill 'CONT', $stack->{worker};
$stack->drained;
my $dead = 3 * keys %poison;
my $got = $stack->ledger(floor => $n);
is $got->{ok}, $n, 'all good records are stored';
is $got->{$_}, 0, "ledger: $_" for qw(lost duplicated corrupt recount refused_but_stored);
cmp_ok $got->{dead_letters}, '>=', $dead, 'the others are dead letters';
is metric('aw_dead_letters_total'), $got->{dead_letters}, 'the metric counts them';
for my $what (sort keys %poison) {
    for my $id (@{ $ids{$what} }) {
        my $row = query("select * from dead_letters where id = '$id'");
        like $row, qr/body cannot be read: \S/, "$what: $id is put away with a reason";
    }
}
note query('select * from dead_letters') =~ s/^(.{160}).*$/$1/gmr;

# --- killed five times and more in the middle of good batches: nothing is condemned ---
my $stored = $n + 300;
$stack->{build} = 'crash';
for my $point ('store.commit.before', 'store.commit.after') {
    for my $time (1 .. ($ENV{AW_SHORT} ? 3 : 6)) {
        $stack->end_worker('KILL') if $stack->worker_alive;
        kill 'KILL', $stack->{worker} if $stack->{worker};
        local $stack->{worker_env} = { AW_CRASH_AT => $point };
        $stack->start_worker;
        my $more = $stack->load_start(count => 40, connections => 8, retry => '');
        AW::Stack::wait_for("the worker dies at $point", sub { !$stack->worker_alive }, 20);
        $stored += $stack->load_wait($more)->{deliveries};
    }
}
$stack->start_worker->ready;
$load = $stack->load_start(count => 300, rate => 300, connections => 8, retry => '');
for (1 .. 6) {
    sleep 0.1;
    $stack->end_worker('KILL');
    $stack->start_worker;
}
$stack->load_wait($load);
$stack->ready->drained;
my $after = $stack->ledger(floor => $n);
is $after->{dead_letters}, $got->{dead_letters}, 'no good record is condemned';
is $after->{$_}, 0, "ledger: $_" for qw(lost duplicated corrupt recount);
is $after->{ok}, $stored, 'all are stored' or diag explain $after;
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
