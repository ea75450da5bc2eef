#!/usr/bin/env perl
# Moving to a larger queue: nginx gets a new path, the worker drains both and names the retired one while it holds
# records. A second worker on the same store or queue refuses to start. SIGTERM with a full queue loses nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);

my $stack = AW::Stack->new(queue_size => "4m")->start;
sub readyz { return decode_json(HTTP::Tiny->new(timeout => 10)->get($stack->url('/readyz'))->{content}) }
sub check { my ($name) = @_; return (grep { $_->{name} eq $name } @{ readyz()->{checks} })[0] // {} }
sub bytes_of { return check($_[0])->{detail} =~ /(\d+) bytes wait/ ? $1 : undef }

# --- a second worker ---
for my $case (['the same configuration', sub { }], ['another store, the same queue', sub { s/alertwhisper\.db/other.db/ }],
    ['another queue, the same store', sub { s{queues = \{"[^"]*"\}}{queues = {"$stack->{dir}/nowhere"}} }]) {
    my ($what, $change) = @$case;
    local $_ = AW::Stack::slurp("$stack->{dir}/alertwhisper.conf") =~ s/worker\.log/second.log/r =~ s/(api|admin)\.sock/$1.second.sock/gr;
    $change->();
    AW::Stack::spew("$stack->{dir}/second.conf", $_);
    my $pid = fork // die;
    if (!$pid) {
        open STDERR, '>', "$stack->{dir}/logs/second.err";
        exec "$AW::Stack::TOP/build/$stack->{build}/alertwhisperd", '--config', "$stack->{dir}/second.conf" or POSIX::_exit(127);
    }
    my $ended = eval { AW::Stack::wait_for('the second worker ends', sub { waitpid($pid, POSIX::WNOHANG) == $pid }, 10) };
    my $status = $?;
    kill 'KILL', $pid if !$ended;
    ok $ended && $status >> 8, "$what: a second worker refuses to start";
    my $said = AW::Stack::slurp("$stack->{dir}/logs/second.err");
    like $said, qr/^alertwhisperd: .*(?:another|already|use).*$/, "$what: and says why in one line";
    note $said;
}
$stack->ready;

# --- nginx moves to a larger queue under load; what waits lies in both ---
kill 'STOP', $stack->{worker};
$stack->load_wait($stack->load_start(count => 500, connections => 16));
my $old = "$stack->{queue_dir}/queue";
my $info = $stack->queue_info;
is $info->{records} - $info->{attempts}, 500, 'the inspector counts the records';
cmp_ok $info->{bytes}, '==', $info->{tail} - $info->{head}, 'and the bytes between head and tail';
is $info->{damaged}, 0, 'none is damaged';
ok $info->{same_boot} && !$info->{sync_broken}, 'of this boot, whole';
is $info->{synced}, $info->{tail}, 'all of it is on disk';
cmp_ok $info->{oldest_age_ms}, '>', 0, 'the age of the oldest';
my $load = $stack->load_start(count => 2000, rate => 800, connections => 32, copies => 3, retry => '');
AW::Stack::wait_for('the old queue is written', sub { $stack->queue_info->{records} > 900 });
@$stack{qw(queue_name queue_size retired)} = ('larger', '16m', [$old]);
$stack->write_conf;
my $began = time;
kill 'CONT', $stack->{worker};
my $took = $stack->end_worker('TERM');
cmp_ok $took, '<', 5, 'SIGTERM ends the worker in under 5 s, with a queue that is written to';
is $stack->{worker_status}, 0, 'and it ends well';
$stack->reload_nginx;
my $sent = $stack->load_wait($load);
# Idle connections may be closed as the client writes to them (0).
is_deeply [grep { !/^(?:0|200)$/ } keys %{ $sent->{answers} }], [], 'the move refuses nothing';
is $sent->{unsettled}, 0, 'and everything is accepted';
cmp_ok $stack->queue_info->{records}, '>', 0, 'records lie in the new queue';
AW::Stack::wait_for('the old nginx workers are gone', sub { $stack->nginx_workers == $stack->{workers} });
# Something waits in the retired one too, whatever the worker has drained before it ended.
my $body = '{"asset_name":"srv-1-1","signature":"old","severity":"low","message":"m","tool_source":"t"}';
system("$AW::Stack::TOP/build/release/t/tools/aw_queue_forge $old comp-1 300 '$body' >/dev/null") == 0 or die 'aw_queue_forge';
my $in_old = $stack->queue_info($old)->{bytes};
cmp_ok $in_old, '>', 0, 'and in the retired one';
$stack->start_worker;
# What /readyz says of the retired queue, until it is empty.
my @said;
AW::Stack::wait_for('the retired queue is drained', sub {
    my $check = eval { (grep { $_->{name} =~ /queue/ && ($_->{detail} // '') =~ /^retired/ } @{ readyz()->{checks} })[0] } or return 0;
    push @said, $check->{detail};
    return $check->{detail} =~ /\b0 bytes/;
});
like $said[0], qr/^retired; \d+ bytes wait/, '/readyz names the retired queue';
note join "\n", @said;
$stack->ready->drained;
is $stack->queue_info($old)->{bytes}, 0, 'the retired queue is drained';
my $got = $stack->ledger(floor => 2500);
is $got->{$_}, 0, "ledger: $_" for qw(lost duplicated corrupt recount refused_but_stored);
is $got->{ok}, 2500, 'every alert of both queues is stored once';
diag explain $got if $got->{lost} || $got->{ok} != 2500;
is $got->{unexpected}, 300, 'and those that were put into the retired one by hand';
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
