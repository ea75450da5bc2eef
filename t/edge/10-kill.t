# Under a steady load: reloads and upgrades cut no request; kill -9 of workers and of the master loses no alert
# that was acknowledged. A consumer drains all the while, as a sync that died with its process is only mended when
# what it may have lost was drained.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json);
use AW::Load;
use AW::Nginx;

my $KEY    = 'key-of-acme-0001';
my $BROKEN = qr/\[crit\].*alertwhisper: delivery refused, queue_broken/;

sub started
{
    my $nginx = AW::Nginx->new(queue => 'data/alerts.queue 64m ids=256k');
    $nginx->start;
    $nginx->table("company acme\nkey $KEY\nasset srv-1\n");
    return $nginx;
}

# Waits until so many more were taken: the load goes on through whatever happened.
sub progress
{
    my ($nginx, $more) = @_;
    my $from = eval { $nginx->status->{counters}{accepted} } // 0;
    AW::Nginx::await('the load goes on', sub { (eval { $nginx->status->{counters}{accepted} } // 0) >= $from + $more });
    return;
}

sub judge
{
    my ($name, $nginx, $told, %opt) = @_;
    my @alerts = grep { $_->{kind} eq 'alert' } $opt{drained}->();
    my %queued;
    $queued{ $_->{alert_id} }++ for @alerts;
    my @lost = grep { !$queued{$_} } @{ $told->{acked} };
    cmp_ok(scalar @{ $told->{acked} }, '>=', $opt{least} // 50, "$name: a load there was");
    is(scalar @lost, 0, "$name: every acknowledged alert is in the queue");
    is(scalar(grep { $_ > 1 } values %queued), 0, "$name: once");
    my %ids;
    $ids{ $_->{delivery_id} }++ for @alerts;
    is(scalar(grep { $_ > 1 } values %ids), 0, "$name: no delivery became two alerts");
    return;
}

for my $path ('/disk', '/alerts') {
    subtest "$path: reloads" => sub {
        my $nginx = started();
        my $drained = $nginx->follow;
        my $load = AW::Load->new($nginx, path => $path, key => $KEY);
        for (1 .. 5) {
            progress($nginx, 10);
            is($nginx->reload, '', 'reloaded');
        }
        progress($nginx, 10);
        my $told = $load->stop;
        is($told->{cut}, 0, 'no request was cut');
        is(join(',', keys %{ $told->{status} }), '200', 'all were answered 200');
        judge('reloads', $nginx, $told, drained => $drained);
        $nginx->finish;
    };

    subtest "$path: binary upgrade" => sub {
        my $nginx = started();
        my $drained = $nginx->follow;
        my $load = AW::Load->new($nginx, path => $path, key => $KEY);
        progress($nginx, 10);
        my ($old, $new) = $nginx->upgrade;
        progress($nginx, 20);
        my @workers = $nginx->workers($old);
        $nginx->signal('QUIT', $old);
        AW::Nginx::await('the old ones end', sub { AW::Nginx::gone($old) && !grep { !AW::Nginx::gone($_) } @workers });
        progress($nginx, 20);
        my $told = $load->stop;
        is($told->{cut}, 0, 'no request was cut');
        is(join(',', keys %{ $told->{status} }), '200', 'all were answered 200');
        judge('upgrade', $nginx, $told, drained => $drained, least => 30);
        is($nginx->status->{counters}{accepted}, scalar @{ $told->{acked} }, 'both counted in one place');
        $nginx->finish;
    };

    subtest "$path: kill -9 of workers" => sub {
        my $nginx = started();
        my $drained = $nginx->follow;
        my $load = AW::Load->new($nginx, path => $path, key => $KEY);
        for (1 .. 8) {
            progress($nginx, 15);
            my ($pid) = $nginx->workers;
            kill KILL => $pid;
            AW::Nginx::await('a new worker', sub { AW::Nginx::gone($pid) && $nginx->workers == 2 });
        }
        progress($nginx, 15);
        my $told = $load->stop;
        judge('workers', $nginx, $told, drained => $drained);
        $nginx->allow(qr/worker process \d+ exited on signal 9/, $BROKEN);
        $nginx->finish;
    };

    subtest "$path: kill -9 of everything" => sub {
        my $nginx = started();
        my $drained = $nginx->follow;
        my $load = AW::Load->new($nginx, path => $path, key => $KEY);
        for (1 .. 3) {
            progress($nginx, 15);
            my @pids = ($nginx->master, $nginx->workers);
            kill KILL => @pids;
            AW::Nginx::await('all are gone', sub { !grep { !AW::Nginx::gone($_) } @pids });
            $nginx->restart;
        }
        progress($nginx, 15);
        my $told = $load->stop;
        judge('everything', $nginx, $told, drained => $drained);
        $nginx->allow($BROKEN);
        $nginx->finish;
    };
}

done_testing;
