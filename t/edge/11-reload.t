# Reloads that change settings, reloads that must be refused, and what a reload must not lose.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json sign);
use AW::Nginx;

my $nginx = AW::Nginx->new;
$nginx->start;
my ($KEY, $SIGNED, $SECRET) = ('key-of-acme-0001', 'key-of-signed-02', 'secret-of-signed');
$nginx->table("company acme\nkey $KEY\nasset srv-1\ncompany signed hmac=$SECRET\nkey $SIGNED\nasset srv-1\n");
my $master = $nginx->master;

sub maps { return scalar grep { m{/(alerts\.queue|edge\.table|alerts\.queue\.state)$} } split /\n/, AW::Nginx::slurp("/proc/$_[0]/maps") }
is(maps($master), 3, 'the master has the three files mapped');

my $first = $nginx->post(alert_json(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => 'stays');
my @settings = ('', 'alertwhisper_query_key off;', 'alertwhisper_clock_skew 60s;', 'alertwhisper_delivery_memory 1h;', 'alertwhisper_ack memory;', 'alertwhisper_dry_run on;');
my $rss;
for my $round (1 .. 20) {
    $nginx->{http} = $settings[$round % @settings];
    is($nginx->reload, '', "reload $round: $nginx->{http}");
    is($nginx->request('POST', "/alerts?api_key=$KEY", [], alert_json())->{status}, $nginx->{http} =~ /query_key/ ? 401 : 200, 'the key in the query');
    my $body = alert_json(message => "round $round");
    my $old = $nginx->post($body, 'X-API-Key' => $SIGNED, sign($SECRET, $body, time - 100));
    is($old->{status}, $nginx->{http} =~ /skew/ ? 401 : 200, 'a timestamp of 100 s ago');
    my $disk = $nginx->post_to('/disk', alert_json(message => "disk $round"), 'X-API-Key' => $KEY);
    is($disk->{json}{durability} // 'none', $nginx->{http} =~ /dry/ ? 'none' : $nginx->{http} =~ /ack memory/ ? 'memory' : 'disk', 'the durability');
    my $known = $nginx->post(alert_json(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => 'stays')->{json};
    is($known->{alert_id}, $first->{json}{alert_id}, 'a delivery of before is known') unless $nginx->{http} =~ /dry/;
    ($rss) = AW::Nginx::slurp("/proc/$master/status") =~ /^VmRSS:\s+(\d+)/m if $round == 10;
}
is($nginx->master, $master, 'the master is the same');
is(maps($master), 3, 'and has the three files mapped once');
is(scalar(grep { maps($_) == 3 } $nginx->workers), 2, 'and so have the workers');
SKIP: {
    skip 'a sanitizer keeps what was freed, and looks for leaks itself', 1 if AW::Nginx::slurp("/proc/$master/maps") =~ /asan/;
    my ($after) = AW::Nginx::slurp("/proc/$master/status") =~ /^VmRSS:\s+(\d+)/m;
    cmp_ok($after - $rss, '<', 600, 'ten more reloads cost the master no memory');
}

subtest 'reloads that are refused leave all as it was' => sub {
    $nginx->{http} = '';
    my %wrong = (
        queue => { 'data/alerts.queue 8m ids=16k' => qr/a live file keeps its size/, 'none/q 4m' => qr/create it/, 'data/alerts.queue 4m ids=64k' => qr/other processes use it/ },
        edge  => { 'run/edge.table 2m' => qr/a live file keeps its size/, 'none/e 1m' => qr/create it/ },
    );
    for my $which (sort keys %wrong) {
        for my $value (sort keys %{ $wrong{$which} }) {
            my $good = $nginx->{$which};
            my @workers = $nginx->workers;
            $nginx->{$which} = $value;
            like($nginx->reload, $wrong{$which}{$value}, "$value: refused");
            is(join(' ', $nginx->workers), "@workers", "$value: the workers go on");
            is($nginx->post(alert_json(message => $value), 'X-API-Key' => $KEY)->{status}, 200, "$value: and serve");
            $nginx->{$which} = $good;
        }
    }
    is($nginx->reload, '', 'the good configuration is taken again');
    is(maps($master), 3, 'nothing is left mapped of the failed ones');
    is(scalar(grep { m{/(data|run)/} } map { readlink($_) // '' } glob "/proc/$master/fd/*"), 3, 'nor open');
};

subtest 'moving to a larger queue by another path' => sub {
    my $taken = $nginx->post_to('/disk', alert_json(message => 'before'), 'X-API-Key' => $KEY);
    my $former = $nginx->queue_path;
    $nginx->{queue} = 'data/larger.queue 8m ids=16k';
    is($nginx->reload, '', 'reloaded');
    my $next = $nginx->post_to('/disk', alert_json(message => 'after'), 'X-API-Key' => $KEY);
    is($next->{status}, 200, 'the new queue takes alerts');
    is(join(' ', map { $_->{alert_id} } $nginx->records), $next->{json}{alert_id}, 'and has what came since');
    is((grep { $_->{kind} eq 'alert' } $nginx->records(path => $former))[-1]{alert_id}, $taken->{json}{alert_id}, 'the former one keeps its records');
    is(scalar(grep { m{alerts\.queue} } split /\n/, AW::Nginx::slurp("/proc/$master/maps")), 0, 'and is no longer mapped');
};

subtest 'fifty reloads in a row' => sub {
    for (1 .. 50) {
        $nginx->signal('HUP');
        $nginx->post(alert_json(message => "in a row $_"), 'X-API-Key' => $KEY) if $_ % 10 == 0;
    }
    is($nginx->reload, '', 'reloaded');
    is($nginx->post_to('/disk', alert_json(message => 'in the end'), 'X-API-Key' => $KEY)->{status}, 200, 'serves');
};

$nginx->allow(qr/a live file keeps its size|create it|other processes use it/);
$nginx->finish;
done_testing;
