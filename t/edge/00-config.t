# Every message of `nginx -t`: which line, what is wrong, how to mend it. And: the test changes nothing.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Nginx;

# name, what differs from the good configuration, the message (all of them name the file and a line)
my @WRONG = (
    ['queue without size', { queue => 'data/q' }, qr/invalid number of arguments in "alertwhisper_queue"/],
    ['size too small', { queue => 'data/q 1k' }, qr/invalid size "1k": at least 1024k/],
    ['size no number', { queue => 'data/q big' }, qr/invalid size "big"/],
    ['size no multiple of a page', { queue => 'data/q 1025k' }, qr/a multiple of 4k/],
    ['directory as queue', { queue => 'data/ 4m' }, qr/invalid path "data\/": the name of a file is needed/],
    ['unknown parameter', { queue => 'data/q 4m id=3' }, qr/invalid parameter "id=3": .*only "ids=NUMBER"/],
    ['too few ids', { queue => 'data/q 4m ids=7' }, qr/invalid number of ids "ids=7": from 1024 to 256m/],
    ['ids no number', { queue => 'data/q 4m ids=x' }, qr/invalid number of ids "ids=x"/],
    ['queue twice', { http => 'alertwhisper_queue data/r 4m;' }, qr/"alertwhisper_queue" directive is duplicate/],
    ['edge table too small', { edge => 'run/e 4k' }, qr/invalid size "4k": at least 256k/],
    ['edge table twice', { http => 'alertwhisper_edge_table run/r 1m;' }, qr/"alertwhisper_edge_table" directive is duplicate/],
    ['one file for both', { edge => 'data/q 1m', queue => 'data/q 4m' }, qr/names the file of "alertwhisper_queue": each needs its own/],
    ['no directory of the queue', { queue => 'none/q 4m' }, qr/the directory of "\S+none\/q" cannot be opened: create it/],
    ['no directory of the table', { edge => 'none/e 1m' }, qr/the directory of "\S+none\/e" cannot be opened: create it/],
    ['skew too large', { http => 'alertwhisper_clock_skew 2h;' }, qr/value must be between 1s and 3600s/],
    ['skew no time', { http => 'alertwhisper_clock_skew x;' }, qr/"alertwhisper_clock_skew" directive invalid value/],
    ['memory too short', { http => 'alertwhisper_delivery_memory 1m;' }, qr/value must be between 300s and 604800s/],
    ['skew in a location', { locations => 'location / { alertwhisper_ingest; alertwhisper_clock_skew 1m; }' }, qr/"alertwhisper_clock_skew" directive is not allowed here/],
    ['ack of another kind', { http => 'alertwhisper_ack tape;' }, qr/invalid value "tape"/],
    ['query key of another kind', { http => 'alertwhisper_query_key yes;' }, qr/invalid value "yes" in "alertwhisper_query_key"/],
    ['dry run of another kind', { http => 'alertwhisper_dry_run 1;' }, qr/invalid value "1" in "alertwhisper_dry_run"/],
    ['ingest with an argument', { locations => 'location / { alertwhisper_ingest on; }' }, qr/invalid number of arguments in "alertwhisper_ingest"/],
    ['ingest in a server', { server => 'alertwhisper_ingest;' }, qr/"alertwhisper_ingest" directive is not allowed here/],
    ['ingest twice', { locations => 'location / { alertwhisper_ingest; alertwhisper_ingest; }' }, qr/"alertwhisper_ingest" directive is duplicate/],
    ['status twice', { locations => 'location / { alertwhisper_status; alertwhisper_status; }' }, qr/"alertwhisper_status" directive is duplicate/],
    ['ingest and status', { locations => 'location / { alertwhisper_status; alertwhisper_ingest; }' }, qr/"alertwhisper_ingest" directive stands beside another directive/],
    ['ingest before proxy_pass', { locations => 'location / { alertwhisper_ingest; proxy_pass http://127.0.0.1:1; }' }, qr/"alertwhisper_ingest" stands beside another directive/],
    ['no limit of the body', { server => 'client_max_body_size 0;' }, qr/"alertwhisper_ingest" needs a limit of the body: set "client_max_body_size 128k"/],
);

for my $case (@WRONG) {
    my ($name, $opt, $message) = @$case;
    my $nginx = AW::Nginx->new(%$opt);
    my ($status, $text) = $nginx->test_conf;
    isnt($status, 0, "$name: nginx -t fails");
    like($text, $message, "$name: says so");
    like($text, qr/\[emerg\].* in \S+nginx\.conf:\d+/, "$name: names the place");
    is(join(' ', glob $nginx->dir . '/{data,run}/*'), '', "$name: no file was made");
}

subtest 'ingest without files' => sub {
    my $nginx = AW::Nginx->new(conf => <<'CONF');
%%GLOBALS%%
events {}
http {
%%HTTP_GLOBALS%%
    server { listen 127.0.0.1:%%PORT%%; location / { alertwhisper_ingest; } }
}
CONF
    my ($status, $text) = $nginx->test_conf;
    isnt($status, 0, 'fails');
    like($text, qr/"alertwhisper_ingest" needs "alertwhisper_queue PATH SIZE" and .* in \S+nginx\.conf:\d+/, 'says what it needs');
};

for my $pair (['alertwhisper_queue data/q 4m', 'alertwhisper_edge_table'], ['alertwhisper_edge_table run/e 1m', 'alertwhisper_queue']) {
    my ($there, $absent) = @$pair;
    my $nginx = AW::Nginx->new(conf => <<"CONF");
%%GLOBALS%%
events {}
http {
%%HTTP_GLOBALS%%
    $there;
}
CONF
    my ($status, $text) = $nginx->test_conf;
    isnt($status, 0, "without $absent: fails");
    like($text, qr/needs "$absent PATH SIZE" beside it in \S+nginx\.conf:\d+/, "without $absent: says so");
}

subtest 'the good one, before and after a start' => sub {
    my $nginx = AW::Nginx->new;
    my ($status, $text) = $nginx->test_conf;
    is($status, 0, 'passes');
    like($text, qr/\[warn\] "\S+alerts\.queue" does not exist yet: the start of nginx makes it/, 'a warning for the absent queue');
    like($text, qr/\[warn\] "\S+edge\.table" does not exist yet/, 'a warning for the absent edge table');
    is(join(' ', glob $nginx->dir . '/{data,run}/*'), '', 'no file was made');

    $nginx->start;
    $nginx->table("company acme\nkey key-of-acme\n");
    my @files = sort glob $nginx->dir . '/{data,run}/*';
    is(scalar @files, 3, 'the start made queue, edge table and state');
    my $before = join ' ', map { join ',', (stat)[0 .. 7, 9, 10] } @files;
    ($status, $text) = $nginx->test_conf;
    is($status, 0, 'passes beside a running nginx');
    unlike($text, qr/\[(warn|emerg)\].*(queue|table)/, 'without a warning');
    is(join(' ', map { join ',', (stat)[0 .. 7, 9, 10] } @files), $before, 'and no file was touched');

    $nginx->{queue} = 'data/alerts.queue 8m ids=16k';
    ($status, $text) = $nginx->test_conf;
    isnt($status, 0, 'another size of a live file fails');
    like($text, qr/queue\.size\): a live file keeps its size: .*name another path.* in \S+nginx\.conf:\d+/, 'and says what to do');
    $nginx->{queue} = 'data/alerts.queue 4m ids=16k';
    $nginx->{edge}  = 'run/edge.table 2m';
    ($status, $text) = $nginx->test_conf;
    isnt($status, 0, 'also of the edge table');
    like($text, qr/edge\.size\): a live file keeps its size/, 'and says what to do');
    $nginx->{edge} = 'run/edge.table 1m';
    AW::Nginx::spew($nginx->dir . '/data/junk', 'x' x 4194304);
    $nginx->{queue} = 'data/junk 4m';
    ($status, $text) = $nginx->test_conf;
    isnt($status, 0, 'a file that is no queue fails');
    like($text, qr/"\S+junk": .* in \S+nginx\.conf:\d+/, 'and is named');
    $nginx->{queue} = 'data/alerts.queue 4m ids=16k';
    $nginx->allow(qr/live file|junk/);
    $nginx->finish;
};

SKIP: {
    my $type = -d '/dev/shm' && -w _ ? `stat -f -c %T /dev/shm` : '';
    skip 'no tmpfs at /dev/shm', 4 unless $type =~ /tmpfs/;
    my $shm = File::Temp->newdir('aw-edge-XXXXXX', DIR => '/dev/shm');
    chmod 0755, $shm;
    my $nginx = AW::Nginx->new(queue => "$shm/q 4m ids=16k");
    my ($status, $text) = $nginx->test_conf;
    isnt($status, 0, 'disk acks on tmpfs fail');
    like($text, qr/loses its files with the power: move it to a disk, or set "alertwhisper_ack memory" in \S+nginx\.conf:\d+/, 'and say why');
    $nginx->{http} = 'alertwhisper_ack memory;';
    ($status, $text) = $nginx->test_conf;
    is($status, 0, 'memory acks on tmpfs pass') or diag $text;
    is(-e "$shm/q", undef, 'no file was made');
}

done_testing;
