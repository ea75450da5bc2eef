#!/usr/bin/env perl
# The README's first steps, as they are printed there: run, send a signed alert, read the incident, stop.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);

my $TOP = $AW::Stack::TOP;
my $run = "$TOP/scripts/run";
# Not /tmp as such: it may be tmpfs, where a disk ack is refused.
my $home = tempdir('aw-XXXXXX', DIR => '/var/tmp', CLEANUP => 1);
chmod 0755, $home;
chdir $home or die;

# Standard error in a file: a program that stays must not keep the pipe open.
sub run {
    my ($command) = @_;
    my $text = `{ $command; } 2> errors < /dev/null`;
    return ($? >> 8, $text);
}
my ($status, $text) = run("$run env");
isnt($status, 0, 'env before the first start fails');
($status, $text) = run("$run status");
is($status, 3, 'status: not running');
is((run("$run --detach --port 0 > started"))[0], 0, 'scripts/run --detach') or diag `cat started errors`;
my ($shm) = AW::Stack::slurp('run/alertwhisper.conf') =~ m{^\s*edge_table = "(/dev/shm/alertwhisper-\w+)/}m;
END { system("$run stop --dir $home/run > /dev/null") if $home }

my $readme = do { local (@ARGV, $/) = ("$TOP/README.md"); <> };
my ($block) = $readme =~ /^## A first signed alert\n(.*?)^## /ms or die 'the README has no first signed alert';
my $script = join "\n", map { s{scripts/run}{$run}gr } grep { !/^\{/ } $block =~ /^    (.*)$/mg;
cmp_ok(($script =~ s/^curl /curl -sSw '\\n' /mg), '==', 2, 'the README has two lines with curl for the webhook and the incidents');
AW::Stack::spew('walk.sh', "$script\n");
($status, $text) = run('bash -eu walk.sh');
is($status, 0, 'the lines of the README') or diag `cat errors`;
my ($alert, $incidents) = map { eval { decode_json($_) } } grep { /\S/ } split /\n/, $text;
is($alert->{message}, 'Alert received', 'the alert is taken') or diag $text;
is($alert->{durability}, 'disk', '...and on the disk');

# The first look may come before the worker has read the second alert.
AW::Stack::spew('look.sh', ($script =~ s/^curl .*?-d "\$B"$//mrs) . "\n");
my $twice = sub { @{ $incidents // [] } == 1 && $incidents->[0]{alert_count} == 2 };
for (1 .. 100) {
    last if $twice->();
    select undef, undef, undef, 0.1;
    ($status, $text) = run('bash -eu look.sh');
    ($incidents) = map { eval { decode_json($_) } } grep { /\S/ } split /\n/, $text;
}
ok($twice->(), 'both alerts are one incident') or diag $text;

is(sprintf('%04o', (stat 'run/demo.json')[2] & 07777), '0600', 'demo.json is for its owner only');
is((run("$run status"))[0], 0, 'status: running');
is((run("$run stop"))[0], 0, 'stop');
is((run("$run status"))[0], 3, 'status: not running any more');
ok($shm && !-e $shm, 'the shared memory is given back');

is((run("$run --detach --port 0 > started"))[0], 0, 'it starts again') or diag `cat started errors`;
($status, $text) = run('bash -eu look.sh');
is(eval { decode_json($text)->[0]{id} }, $incidents->[0]{id}, 'the incident is still there') or diag $text;
done_testing;
