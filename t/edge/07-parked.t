# Requests that wait for the disk, or for the lock: reload, upgrade and stop must not cut them; clients that go away and holders
# that die must not hurt the others. A foreign process holds the queue's mutex, so that the waiting is certain.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json request_bytes connect_to read_response exchange);
use AW::Nginx;
use Time::HiRes qw(sleep time);

my $KEY   = 'key-of-acme-0001';
my $TABLE = "company acme\nkey $KEY\nasset srv-1\n";
my $n     = 0;

sub started
{
    my $nginx = AW::Nginx->new(@_);
    $nginx->start;
    $nginx->table($TABLE);
    return $nginx;
}

# Sends an alert, to /disk if nothing else is said, and leaves without reading the answer.
sub send_only
{
    my ($nginx, $path) = @_;
    my $connection = connect_to($nginx->port);
    syswrite $connection->{socket}, request_bytes('POST', $path // '/disk', ['X-API-Key' => $KEY], alert_json(message => 'n' . $n++));
    return $connection;
}

# Parks requests while the mutex is held, does something, and lets go when that has begun.
sub parked_during
{
    my ($name, $nginx, $act, $begun) = @_;
    my $release = $nginx->hold_queue;
    my @connections = map { send_only($nginx) } 1 .. 10;
    # A request to each worker that is answered at once shows that the event loops have read the others.
    is($nginx->request('GET', '/status', [])->{status}, 200, "$name: the event loop does not wait") for 1 .. 4;
    $act->();
    AW::Nginx::await("$name begins", $begun);
    $release->();
    my @answers = map { read_response($_) } @connections;
    is(scalar(grep { $_ && $_->{status} == 200 && $_->{json}{durability} eq 'disk' } @answers), 10, "$name: all parked requests are answered 200");
    my %queued = map { $_->{alert_id} => 1 } $nginx->records;
    is(scalar(grep { $_ && !$queued{ $_->{json}{alert_id} // '' } } @answers), 0, "$name: and are in the queue");
    return;
}

subtest 'reload' => sub {
    my $nginx = started();
    my @old = $nginx->workers;
    parked_during('HUP', $nginx, sub { $nginx->signal('HUP') }, sub { grep { my $pid = $_; !grep { $pid == $_ } @old } $nginx->workers });
    AW::Nginx::await('old workers end', sub { !grep { !AW::Nginx::gone($_) } @old });
    pass('the old workers end');
    $nginx->finish;
};

subtest 'binary upgrade' => sub {
    my $nginx = started();
    my ($old, @old);
    parked_during('USR2 and QUIT', $nginx, sub {
            $old = $nginx->master;
            @old = $nginx->workers;
            $nginx->signal('USR2');
        },
        sub {
            my $new = $nginx->master;
            return 0 unless $new && $new != $old && $nginx->workers($new) == 2;
            $nginx->signal('QUIT', $old);
            return 1;
        });
    AW::Nginx::await('the old master ends', sub { AW::Nginx::gone($old) });
    isnt($nginx->master, $old, 'the new master is alone');
    is($nginx->post_to('/disk', alert_json(), 'X-API-Key' => $KEY)->{status}, 200, 'and serves');
    $nginx->finish;
};

subtest 'stop' => sub {
    my $nginx = started();
    my $master = $nginx->master;
    parked_during('QUIT', $nginx, sub { $nginx->signal('QUIT', $master) },
        sub { !defined IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->port, Timeout => 1) });
    AW::Nginx::await('nginx ends', sub { AW::Nginx::gone($master) });
    pass('nginx ends');
    $nginx->finish;
};

subtest 'a shutdown that has a time limit' => sub {
    my $nginx = started(workers => 1, main => 'worker_shutdown_timeout 100ms;');
    my $release = $nginx->hold_queue;
    my @connections = map { send_only($nginx) } 1 .. 5;
    is($nginx->request('GET', '/status', [])->{status}, 200, 'all have been read');
    my ($worker) = $nginx->workers;
    $nginx->signal('HUP');
    AW::Nginx::await('the worker shuts down', sub { AW::Nginx::slurp("/proc/$worker/cmdline") =~ /shutting down/ });
    sleep 0.3;    # nothing tells that the limit has passed
    ok(!AW::Nginx::gone($worker), 'the worker stays past the limit, for its batch');
    $release->();
    AW::Nginx::await('the worker ends', sub { AW::Nginx::gone($worker) });
    pass('then it ends');
    is(scalar(() = $nginx->records), 5, 'and the alerts are kept');
    $nginx->finish;
};

subtest 'clients that go away' => sub {
    my $nginx = started(workers => 1);
    my $release = $nginx->hold_queue;
    my @connections = map { send_only($nginx) } 1 .. 10;
    is($nginx->request('GET', '/status', [])->{status}, 200, 'all have been read');
    shutdown $_->{socket}, 2 for @connections[0 .. 4];
    close $_->{socket} for @connections[0 .. 4];
    $release->();
    my @answers = map { read_response($_) } @connections[5 .. 9];
    is(scalar(grep { $_->{status} == 200 } @answers), 5, 'those who stayed are answered');
    is(scalar(grep { $_->{kind} eq 'alert' } $nginx->records), 10, 'and the alerts of the others are kept');
    is($nginx->post_to('/disk', alert_json(), 'X-API-Key' => $KEY)->{status}, 200, 'the worker lives');
    my ($pid) = $nginx->workers;
    is(scalar(grep { readlink($_) =~ /^socket:/ } glob "/proc/$pid/fd/*") <= 10, 1, 'and has closed their sockets');
    $nginx->finish;
};

subtest 'the mutex cannot be had' => sub {
    my $nginx = started(workers => 1);
    my $release = $nginx->hold_queue;
    my $waiting = send_only($nginx, '/alerts');
    my $begin = time;
    is($nginx->request('GET', '/status', [])->{status}, 200, 'memory: the event loop does not wait');
    cmp_ok(time - $begin, '<', 0.5, 'memory: it answers others at once');
    my $answer = read_response($waiting);
    is($answer->{status}, 503, 'memory: 503 after a second');
    is($answer->{json}{code}, 'busy', 'memory: busy');
    is($answer->{headers}{'retry-after'}, 1, 'memory: Retry-After');
    $answer = $nginx->post_to('/disk', alert_json(), 'X-API-Key' => $KEY);
    is($answer->{status}, 503, 'disk: 503 after a second');
    is($answer->{json}{code}, 'busy', 'disk: busy');
    cmp_ok($nginx->status->{counters}{unavailable_busy}, '>=', 2, 'counted');
    $release->();
    is($nginx->post_to('/disk', alert_json(), 'X-API-Key' => $KEY)->{json}{duplicate}, undef, 'a refusal leaves no key behind');
    is(scalar(() = $nginx->records), 1, 'and no record');
    $nginx->finish;
};

# Memory acks wait for a second: only a holder that lets go sooner, also on a busy machine, tells something.
subtest 'memory acks wait for a holder that does not run' => sub {
    my $nginx = started(workers => 1);
    my (@connections, $held);
    for (1 .. 20) {
        my $begin = time;
        my $release = $nginx->hold_queue;
        @connections = map { send_only($nginx, '/alerts') } 1 .. 5;
        is($nginx->request('GET', '/status', [])->{status}, 200, 'the event loop does not wait');
        $release->();
        $held = time - $begin;
        last if $held < 0.9;
        read_response($_) for @connections;
    }
    cmp_ok($held, '<', 0.9, 'the mutex was held for a moment');
    my @answers = map { read_response($_) } @connections;
    is(scalar(grep { $_ && $_->{status} == 200 && $_->{json}{durability} eq 'memory' } @answers), 5, 'all are answered 200');
    my %queued = map { $_->{alert_id} => 1 } $nginx->records;
    is(scalar(grep { !$queued{ $_->{json}{alert_id} } } @answers), 0, 'and are in the queue');

    my ($worker) = $nginx->workers;
    my $release = $nginx->hold_queue;
    @connections = map { send_only($nginx, '/alerts') } 1 .. 5;
    is($nginx->request('GET', '/status', [])->{status}, 200, 'the next ones have been read');
    $nginx->signal('HUP');
    @answers = map { read_response($_) } @connections;
    is(scalar(grep { $_ && $_->{json}{code} eq 'busy' } @answers), 5, 'a reload cuts none of those who wait');
    $release->();
    AW::Nginx::await('the old worker ends', sub { AW::Nginx::gone($worker) });
    $nginx->finish;
};

subtest 'the holder dies' => sub {
    my $nginx = started(workers => 1);
    $nginx->hold_queue->('KILL');
    is($nginx->post(alert_json(message => 'after'), 'X-API-Key' => $KEY)->{status}, 200, 'memory: goes on');
    $nginx->hold_queue->('KILL');
    is($nginx->post_to('/disk', alert_json(message => 'after that'), 'X-API-Key' => $KEY)->{status}, 200, 'disk: goes on');
    is($nginx->status->{counters}{repairs}, 2, 'both repairs are counted');
    $nginx->finish;
};

subtest 'a stopped nginx worker does not stop the others' => sub {
    my $nginx = started(workers => 2);
    my ($stopped) = $nginx->workers;
    kill STOP => $stopped;
    my $served = 0;
    for (1 .. 8) {
        my $connection = send_only($nginx);
        my $answer = read_response($connection, timeout => 1);
        $served++ if $answer && $answer->{status} == 200;
    }
    kill CONT => $stopped;
    cmp_ok($served, '>=', 1, 'the other one serves');
    $nginx->finish;
};

done_testing;
