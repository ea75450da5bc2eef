# Around the module: no http block, no location, no worker daemon, lost state, cache helper processes, a master that
# is not root, one process only.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json);
use AW::Nginx;

my $KEY   = 'key-of-acme-0001';
my $TABLE = "company acme\nkey $KEY\nasset srv-1\n";

sub answers { return $_[0]->post_to($_[1] // '/alerts', alert_json(message => $_[2] // 'm'), 'X-API-Key' => $KEY) }

subtest 'loaded, but not used' => sub {
    for my $http ('', "http {\n%%HTTP_GLOBALS%%\n}", "http {\n%%HTTP_GLOBALS%%\n server { listen 127.0.0.1:%%PORT%%; return 204; }\n}",
        "http {\n%%HTTP_GLOBALS%%\n server { listen 127.0.0.1:%%PORT%%; location / { alertwhisper_status; } }\n}")
    {
        my $nginx = AW::Nginx->new(conf => "%%GLOBALS%%\nworker_processes 2;\nevents {}\n$http\n");
        $nginx->start;
        is($nginx->reload, '', 'starts and reloads');
        is($nginx->request('GET', '/', [])->{status}, $http =~ /204/ ? 204 : 404, 'and answers') if $http =~ /listen/;
        $nginx->finish;
    }
};

subtest 'files without an ingest location' => sub {
    my $nginx = AW::Nginx->new(locations => 'location = /status { alertwhisper_status; }');
    $nginx->start;
    is($nginx->status->{status}, 'not_ready', 'the status answers');
    $nginx->finish;
};

subtest 'the directives appear and go with reloads' => sub {
    my $with = AW::Nginx->default_locations;
    my $nginx = AW::Nginx->new(locations => 'location / { return 204; }');
    $nginx->start;
    $nginx->table($TABLE);
    $nginx->{locations} = $with;
    is($nginx->reload, '', 'appear');
    is(answers($nginx, '/disk')->{status}, 200, 'and serve');
    my ($queue, $edge) = @$nginx{qw(queue edge)};
    $nginx->{conf} = "%%GLOBALS%%\nworker_processes 2;\nevents {}\nhttp {\n%%HTTP_GLOBALS%%\n server { listen 127.0.0.1:%%PORT%%; return 204; }\n}\n";
    is($nginx->reload, '', 'go');
    is(scalar(grep { m{/(data|run)/} } split /\n/, AW::Nginx::slurp('/proc/' . $nginx->master . '/maps')), 0, 'and nothing is mapped any more');
    delete $nginx->{conf};
    is($nginx->reload, '', 'come back');
    is(answers($nginx)->{json}{duplicate}, JSON::PP::true, 'and know what was delivered');
    $nginx->finish;
};

subtest 'the worker daemon is away' => sub {
    my $nginx = AW::Nginx->new;
    $nginx->start;
    is(answers($nginx)->{json}{code}, 'not_ready', 'before it has published: not ready, never 401');
    $nginx->table($TABLE);
    is(answers($nginx, '/disk', "n$_")->{status}, 200, 'after it has gone the last table stays good') for 1 .. 3;
    is(scalar(() = $nginx->records), 3, 'and the queue keeps the alerts');
    $nginx->finish;
};

subtest 'the state file is lost with the power, the queue is not' => sub {
    my $nginx = AW::Nginx->new;
    $nginx->start;
    $nginx->table($TABLE);
    my $first = answers($nginx, '/disk');
    $nginx->stop;
    unlink $nginx->dir . '/run/alerts.queue.state' or die $!;
    $nginx->start;
    my $again = answers($nginx, '/disk');
    is($again->{json}{duplicate}, JSON::PP::true, 'a delivery that waits in the queue is known again');
    is($again->{json}{alert_id}, $first->{json}{alert_id}, 'by its first id');
    $nginx->finish;
};

subtest 'stop and start keep everything' => sub {
    my $nginx = AW::Nginx->new;
    $nginx->start;
    $nginx->table($TABLE);
    my $first = answers($nginx);
    $nginx->stop;
    is(scalar(() = $nginx->records), 1, 'the record is in the file');
    $nginx->start;
    is(answers($nginx)->{json}{alert_id}, $first->{json}{alert_id}, 'and known after the start');
    is($nginx->status->{counters}{accepted}, 1, 'the counters go on');
    $nginx->finish;
};

subtest 'cache manager and loader' => sub {
    my $nginx = AW::Nginx->new(http => 'proxy_cache_path tmp/cache keys_zone=cache:1m;');
    $nginx->start;
    $nginx->table($TABLE);
    is($nginx->reload, '', 'reloads');
    is(answers($nginx, '/disk')->{status}, 200, 'serves');
    $nginx->finish;
};

subtest 'one process' => sub {
    my $nginx = AW::Nginx->new(main => 'master_process off;', workers => 1);
    $nginx->write_conf;
    my ($status, $text) = $nginx->run_nginx;
    is($status, 0, 'starts') or diag $text;
    my $pid = AW::Nginx::await('pid file', sub { $nginx->master });
    $nginx->table($TABLE);
    is(answers($nginx, $_, $_)->{status}, 200, "$_: serves") for '/alerts', '/disk';
    kill QUIT => $pid;
    AW::Nginx::await('it ends', sub { AW::Nginx::gone($pid) });
    $nginx->finish;
};

SKIP: {
    skip 'only root can become another user', 1 if $>;
    subtest 'a master that is not root' => sub {
        my $nginx = AW::Nginx->new(user => 'nobody');
        $nginx->start;
        my $nobody = getpwnam 'nobody';
        is((stat $nginx->queue_path)[4], $nobody, 'the queue belongs to its user');
        is((stat _)[2] & 0777, 0600, 'and is closed to others');
        $nginx->table($TABLE);
        is($nginx->reload, '', 'reloads');
        is(answers($nginx, $_, $_)->{status}, 200, "$_: serves") for '/alerts', '/disk';
        $nginx->finish;
    };

    subtest 'a master that is root gives the files to the owner of their directories' => sub {
        my $nginx = AW::Nginx->new;
        my ($daemon) = (getpwnam 'daemon')[2];
        chown $daemon, -1, $nginx->dir . '/data', $nginx->dir . '/run';
        $nginx->start;
        for my $file (glob $nginx->dir . '/{data,run}/*') {
            is((stat $file)[4], $daemon, "$file: owner");
            is((stat _)[2] & 0777, 0600, "$file: mode");
        }
        $nginx->finish;
    };
}

done_testing;
