#!/usr/bin/env perl
# A record over which the worker breaks (SIGSEGV): while it is decoded, or in its unit of work with many good ones. Under load,
# with a supervisor that starts the worker again, and kill -9 between: five faults of its own, then it is a dead letter with
# its bytes, all others are stored once. When the fault is mended, the letter can be retried.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign alert_json);
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);

my $n = $ENV{AW_SHORT} ? 300 : 1200;
my $kills = 6;

# Tries of the record with this body, in the queue file: a word of its head (src/aw_record.h), 12 bytes before the delivery id.
sub tries_at {
    my ($stack, $body, $delivery_id) = @_;
    my $at = index AW::Stack::slurp("$stack->{queue_dir}/queue"), $delivery_id . $body;
    die "the record is not in the queue file\n" if $at < 0;
    return sub {
        open my $file, '<:raw', "$stack->{queue_dir}/queue" or die $!;
        seek $file, $at - 12, 0;
        read $file, my $word, 4;
        return unpack 'L<', $word;
    };
}

# Kills the worker if it still runs. Returns the tries of its life, which began with $had: of a fault that the kill forestalled
# after the try was noted.
sub kill_worker {
    my ($stack, $tries, $had) = @_;
    kill 'STOP', $stack->{worker};
    AW::Stack::wait_for('the worker stands still', sub { AW::Stack::slurp("/proc/$stack->{worker}/status") =~ /^State:\s+[TtZX]/m });
    return 0 if !$stack->worker_alive;
    my $own = $tries->() - $had;
    kill 'KILL', $stack->{worker};
    return $own;
}

for my $point ('ingest.decode', 'ingest.unit') {
    subtest $point => sub {
        my $stack = AW::Stack->new(build => 'crash', worker_env => { AW_FAULT_AT => "$point:culprit" })->start;
        my $target = $stack->{targets}[0];
        my $load = $stack->load_start(count => $n, rate => 400, connections => 16, copies => 2, retry => '');
        AW::Stack::wait_for('the first alerts', sub { -s $load->{ledger} });
        kill 'STOP', $stack->{worker};    # so that good records stand before and behind it
        sleep 0.2;
        my $body = alert_json(asset_name => $target->{assets}[0], message => 'the culprit of this test', extra => [1, 2]);
        my $r = HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => $body, headers => {
            sign($target->{hmac_secret}, $body), 'Content-Type' => 'application/json', 'X-API-Key' => $target->{api_key}, 'X-Delivery-ID' => 'culprit' } });
        is $r->{status}, 200, 'the edge takes it' or diag $r->{content};
        my $id = decode_json($r->{content})->{alert_id};
        my $tries = tries_at($stack, $body, 'culprit');
        sleep 0.2;
        kill 'CONT', $stack->{worker};

        # The supervisor; the first lives are cut short by kill -9, some before the worker has come to its queue.
        my %ends = (9 => 0, 11 => 0);
        my $forestalled = 0;
        my $letter;
        my $end = time + 120;
        until ($letter) {
            die "waited in vain for the dead letter: " . join(" ", %ends) . " tries " . $tries->() . "\n" if time > $end;
            if (!$stack->worker_alive) {
                $ends{ $stack->{worker_status} & 127 }++ if defined $stack->{worker_status};
                my $had = $tries->();
                $stack->start_worker;
                if ($ends{9} < $kills) {
                    sleep 0.02 * $ends{9};
                    $forestalled += kill_worker($stack, $tries, $had) if $stack->worker_alive;
                }
                next;
            }
            sleep 0.02;
            $letter = eval { (grep { $_->{id} eq $id } @{ $stack->api(GET => '/api/dead-letters?limit=10')->{json}{items} // [] })[0] };
        }
        note "the worker ended by signal: ", join ', ', map { "$_ $ends{$_} times" } sort { $a <=> $b } keys %ends;
        is $ends{11} + $forestalled, 5, 'five faults';
        is $ends{9}, $kills, 'kill -9 is not counted among them';
        is $letter->{tries}, 5, 'the letter says so';
        is $letter->{reason}, 'it broke the worker', 'and why';
        my $record = qx{python3 -c 'import sqlite3,sys
print(bytes(sqlite3.connect("file:$stack->{dir}/data/alertwhisper.db?mode=ro", uri=True).execute("select record from dead_letters where id = ?", sys.argv[1:]).fetchone()[0]).hex())' $id};
        like pack('H*', $record =~ s/\s//gr), qr/\Q$body\E/, 'its bytes are kept';
        $stack->load_wait($load);
        $stack->ready->drained;
        my $got = $stack->ledger(floor => $n, dead => 1);
        ok $got->{good}, 'the ledger agrees' or diag explain $got;
        is $got->{ok}, $n, 'all others are stored once';
        is $got->{dead_letters}, 1, 'no good record is condemned';

        $stack->end_worker;
        $stack->{worker_env} = {};
        $stack->start_worker->ready;
        $r = $stack->api(POST => "/api/dead-letters/$id/retry", {});
        cmp_ok $r->{status}, '<', 300, 'the mended worker takes it' or diag $r->{content};
        is $stack->api(GET => "/api/alerts/$id")->{json}{message}, 'the culprit of this test', 'now it is an alert';
        $stack->end_worker;
        is $stack->log_trouble, '', 'no trouble in the logs';
    };
}
done_testing;
