package AW::Stack;
# The whole product in a temporary folder: nginx with the module, the worker, a store; and what tests do to it.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use AW::Port qw(free_port);

# libmongoc's counters would leave a file in /dev/shm for each worker that is killed.
$ENV{MONGOC_DISABLE_SHM} = 1;

our $TOP = abs_path(dirname(__FILE__) . '/../../..');

# Options: companies (number, 2), assets (per company, 8), hmac (1), workers (2), ack (disk), queue_size (16m),
# queue_name (queue), ids (64k), store (sqlite, or a mongodb:// address), build (release), module, dir, queue_dir, worker_env (hash),
# nginx_env (list of "env" directives), conf (lines for the http block), server (lines for the server block),
# worker_conf (lines for the worker section), rate_limit, correlation_config
sub new {
    my ($class, %o) = @_;
    my $self = bless {
        companies => 2, assets => 8, hmac => 1, workers => 2, ack => 'disk', queue_name => 'queue', queue_size => '16m', ids => '64k',
        store => 'sqlite', build => 'release', module => "$TOP/build/ngx_http_alertwhisper_module.so",
        worker_env => {}, nginx_env => [], conf => '', server => '', worker_conf => '', owner => $$, %o,
    }, $class;
    # Not /tmp as such: it may be tmpfs, where a disk ack is refused.
    $self->{dir} //= File::Temp::tempdir('aw-XXXXXX', DIR => $ENV{AW_TEST_DIR} // '/var/tmp');
    $self->{queue_dir} //= "$self->{dir}/queue";
    $self->{shm} = File::Temp::tempdir('aw-XXXXXX', DIR => -w '/dev/shm' ? '/dev/shm' : $self->{dir});
    make_path(map { "$self->{dir}/$_" } qw(data logs tmp queue sock));
    chmod 0755, $self->{dir};
    $self->{port} //= free_port();
    if ($> == 0) {
        chown((getpwnam 'nobody')[2], -1, "$self->{dir}/tmp");
        # The worker's socket takes the group of its folder.
        chown(-1, (getgrnam 'nogroup')[2], "$self->{dir}/sock");
        chmod 02750, "$self->{dir}/sock";
        system('install', '-m', '644', $self->{module}, "$self->{dir}/module.so") == 0 or die 'cannot copy the module';
        $self->{module} = "$self->{dir}/module.so";
    }
    $self->write_conf;
    return $self;
}

sub spew {
    my ($path, $text) = @_;
    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
}

sub slurp {
    my ($path) = @_;
    open my $f, '<', $path or return '';
    local $/;
    return scalar <$f> // '';
}

# Waits until the condition holds; dies with what was awaited.
sub wait_for {
    my ($what, $condition, $seconds) = @_;
    my $end = time + ($seconds // 20);
    while (time < $end) {
        my $got = $condition->();
        return $got if $got;
        sleep 0.02;
    }
    die "waited in vain for: $what\n";
}

sub write_conf {
    my $self = shift;
    my ($dir, $user) = ($self->{dir}, $> == 0 ? 'user nobody nogroup;' : '');
    my $env = join '', map { "env $_;\n" } @{ $self->{nginx_env} };
    spew("$dir/nginx.conf", <<"EOT");
load_module $self->{module};
$user
daemon on;
worker_processes $self->{workers};
worker_shutdown_timeout 20s;
pid $dir/nginx.pid;
error_log $dir/logs/error.log info;
$env
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    client_max_body_size 64k;
    client_body_buffer_size 128k;
    keepalive_requests 1000000;
    alertwhisper_queue $self->{queue_dir}/$self->{queue_name} $self->{queue_size} ids=$self->{ids};
    alertwhisper_edge_table $self->{shm}/edge 4m;
    $self->{conf}
    upstream alertwhisper_api { server unix:$dir/sock/api.sock; keepalive 16; }
    server {
        listen 127.0.0.1:$self->{port} backlog=4096;
        $self->{server}
        location = /api/webhooks/alerts { alertwhisper_ingest; alertwhisper_ack $self->{ack}; }
        location = /edge/status { alertwhisper_status; }
        location / {
            proxy_pass http://alertwhisper_api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Request-ID \$request_id;
        }
    }
}
EOT
    my ($driver, $uri) = $self->{store} eq 'sqlite' ? ('sqlite', '') : ('mongo', $self->{store});
    my $path = $self->{db_path} // "$dir/data/alertwhisper.db";
    my $queues = join ', ', map { "\"$_\"" } "$self->{queue_dir}/$self->{queue_name}", @{ $self->{retired} // [] };
    spew("$dir/alertwhisper.conf", <<"EOT");
worker {
    queues = {$queues}
    edge_table = "$self->{shm}/edge"
    master_key = "$dir/data/master.key"
    admin_socket = "$dir/data/admin.sock"
    log = "$dir/logs/worker.log"
    $self->{worker_conf}
}
store {
    driver = "$driver"
    path = "$path"
    uri = "$uri"
}
api {
    socket = "$dir/sock/api.sock"
}
EOT
    return;
}

sub worker_command {
    my $self = shift;
    return ("$TOP/build/$self->{build}/alertwhisperd", '--config', "$self->{dir}/alertwhisper.conf");
}

sub run_worker_command {
    my ($self, @words) = @_;
    my $pid = open my $out, '-|' // die;
    if (!$pid) {
        open STDERR, '>', "$self->{dir}/logs/command.err";
        exec $self->worker_command, @words or exit 127;
    }
    local $/;
    my $text = <$out>;
    close $out or die "alertwhisperd @words: " . slurp("$self->{dir}/logs/command.err");
    return $text;
}

# First administrator and companies; writes target.json for aw_load.
sub setup {
    my $self = shift;
    $self->{admin} = decode_json($self->run_worker_command('setup', '--email', 'admin@example.com'));
    my @companies = map {
        my $c = $_;
        +{  id => "comp-$c", name => "Sample company $c",
            assets => [map { { name => "srv-$c-$_", critical => $_ % 4 ? JSON::PP::false : JSON::PP::true } } 1 .. $self->{assets}],
            api_keys => [{ name => 'test' }],
            webhook_security => { enabled => $self->{hmac} ? JSON::PP::true : JSON::PP::false },
            ($self->{rate_limit} ? (rate_limit => $self->{rate_limit}) : ()),
            ($self->{correlation_config} ? (correlation_config => $self->{correlation_config}) : ()),
        }
    } 1 .. $self->{companies};
    spew("$self->{dir}/apply.json", encode_json({ companies => \@companies }));
    my $made = decode_json($self->run_worker_command('apply', "$self->{dir}/apply.json"))->{generated};
    my %key = map { $_->{company_id} => $_->{key} } @{ $made->{api_keys} };
    my %secret = map { $_->{company_id} => $_->{secret} } @{ $made->{hmac_secrets} };
    $self->{targets} = [map { +{ company_id => $_->{id}, api_key => $key{ $_->{id} },
        ($self->{hmac} ? (hmac_secret => $secret{ $_->{id} }) : ()), assets => [map { $_->{name} } @{ $_->{assets} }] } } @companies];
    $self->write_target;
    return $self;
}

sub write_target {
    my $self = shift;
    spew("$self->{dir}/target.json", encode_json({ port => $self->{port} + 0, companies => $self->{targets} }));
    return;
}

# --- nginx ---
sub start_nginx {
    my $self = shift;
    my $dir = $self->{dir};
    for my $test ('-t', undef) {
        my $rc = system("exec /usr/sbin/nginx " . ($test // '') . " -p $dir/ -c $dir/nginx.conf -e $dir/logs/error.log > $dir/logs/start.log 2>&1");
        die 'nginx: ' . slurp("$dir/logs/start.log") if $rc;
    }
    wait_for('nginx listens', sub { $self->nginx_pid && IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}") });
    return $self;
}

sub nginx_pid {
    my $self = shift;
    my ($pid) = slurp("$self->{dir}/nginx.pid") =~ /(\d+)/;
    # A stale file may name a process of somebody else.
    return $pid && !is_dead($pid) && slurp("/proc/$pid/cmdline") =~ /^nginx: master.*\Q$self->{dir}\E/s ? $pid : undef;
}

sub children_of {
    my ($parent) = @_;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $state, $ppid) = slurp($stat) =~ /^(\d+) \(.*\) (\S) (\d+)/ or next;
        push @found, $pid if $ppid == $parent && $state ne 'Z';
    }
    return @found;
}

# Ended, also when nobody has reaped it yet.
sub is_dead {
    my ($pid) = @_;
    return slurp("/proc/$pid/stat") !~ /^\d+ \(.*\) [^ZX]/;
}

sub nginx_workers {
    my $self = shift;
    my $master = $self->nginx_pid or return;
    return grep { slurp("/proc/$_/cmdline") =~ /worker process/ } children_of($master);
}

sub signal_nginx {
    my ($self, $signal) = @_;
    my $pid = $self->nginx_pid or die 'nginx does not run';
    kill $signal, $pid;
    return $pid;
}

# HUP, until new workers serve.
sub reload_nginx {
    my $self = shift;
    my %old = map { $_ => 1 } $self->nginx_workers;
    $self->signal_nginx('HUP');
    wait_for('new nginx workers', sub { my @now = grep { !$old{$_} } $self->nginx_workers; @now >= $self->{workers} });
    return;
}

# USR2, then QUIT to the old master: a binary upgrade.
sub upgrade_nginx {
    my $self = shift;
    my $old = $self->signal_nginx('USR2');
    wait_for('a new nginx master', sub { my $pid = $self->nginx_pid; $pid && $pid != $old && $self->nginx_workers >= $self->{workers} });
    kill 'QUIT', $old;
    wait_for('the old nginx master is gone', sub { is_dead($old) }, 40);
    return;
}

# kill -9 of the master; its orphans go on serving until they are ended, then nginx starts anew.
sub crash_nginx_master {
    my $self = shift;
    my $master = $self->nginx_pid;
    # A frozen master forks nobody while its children are listed; some may not have their title yet.
    kill 'STOP', $master;
    my @workers = children_of($master);
    kill 'KILL', $master;
    wait_for('the master is dead', sub { is_dead($master) });
    kill 'KILL', @workers;
    wait_for('its workers are dead', sub { !grep { !is_dead($_) } @workers });
    return $self->start_nginx;
}

sub stop_nginx {
    my $self = shift;
    my $pid = $self->nginx_pid or return;
    kill 'QUIT', $pid;
    eval { wait_for('nginx ends', sub { is_dead($pid) }, 30); 1 } or kill 'KILL', $pid;
    return;
}

# --- worker ---
sub start_worker {
    my $self = shift;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        %ENV = (%ENV, %{ $self->{worker_env} });
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/logs/worker.out";
        open STDERR, '>>', "$self->{dir}/logs/worker.out";
        exec $self->worker_command or POSIX::_exit(127);
    }
    $self->{worker} = $pid;
    return $self;
}

sub worker_alive {
    my $self = shift;
    return 0 if !$self->{worker};
    my $got = waitpid $self->{worker}, WNOHANG;
    if ($got == $self->{worker}) {
        $self->{worker_status} = $?;
        $self->{worker} = undef;
        return 0;
    }
    return 1;
}

sub ready {
    my ($self, $seconds) = @_;
    wait_for('readyz', sub {
        die "the worker has ended: " . substr(slurp("$self->{dir}/logs/worker.log"), -600) . slurp("$self->{dir}/logs/worker.out") if !$self->worker_alive;
        HTTP::Tiny->new(timeout => 2)->get($self->url('/readyz'))->{status} == 200;
    }, $seconds // 30);
    return $self;
}

sub end_worker {
    my ($self, $signal) = @_;
    my $pid = $self->{worker} or return;
    my $began = time;
    kill $signal // 'TERM', $pid;
    wait_for('the worker ends', sub { !$self->worker_alive }, 30);
    return time - $began;
}

sub start {
    my $self = shift;
    $self->setup if !$self->{targets};
    return $self->start_nginx->start_worker->ready;
}

# --- talking to it ---
sub url {
    my ($self, $path) = @_;
    return "http://127.0.0.1:$self->{port}$path";
}

sub token {
    my ($self, $email, $password) = @_;
    my $r = HTTP::Tiny->new->post($self->url('/api/auth/login'), { headers => { 'Content-Type' => 'application/json' },
        content => encode_json({ email => $email // $self->{admin}{email}, password => $password // $self->{admin}{password} }) });
    die "login: $r->{status} $r->{content}" if $r->{status} != 200;
    return decode_json($r->{content})->{access_token};
}

# Answer of the API: hash of status, headers, json (if it is JSON), content.
sub api {
    my ($self, $method, $path, $body, $headers) = @_;
    $self->{token} //= $self->token;
    my $r = HTTP::Tiny->new(timeout => 20)->request($method, $self->url($path), {
        headers => { Authorization => "Bearer $self->{token}", ($body ? ('Content-Type' => 'application/json') : ()), %{ $headers // {} } },
        ($body ? (content => encode_json($body)) : ()) });
    $r->{json} = eval { decode_json($r->{content}) } if ($r->{headers}{'content-type'} // '') =~ /json/;
    return $r;
}

sub queue_info {
    my $self = shift;
    return decode_json($self->run_worker_command('queue', $_[0] // "$self->{queue_dir}/$self->{queue_name}"));
}

sub drained {
    my ($self, $seconds) = @_;
    wait_for('the queue is drained', sub { $self->queue_info->{bytes} == 0 }, $seconds // 60);
    # MongoDB: what the journal holds may still have to be written to its collections. A session comes after it.
    wait_for('the newest unit is written', sub { eval { $self->token } }, $seconds // 60) if $self->{store} ne 'sqlite';
    return $self;
}

# Starts aw_load in the background; returns a handle for load_wait.
sub load_start {
    my ($self, %o) = @_;
    my $n = ++$self->{loads};
    my $ledger = "$self->{dir}/ledger.$n";
    my @command = ("$TOP/build/release/t/tools/aw_load", $o{target} // "$self->{dir}/target.json", '--ledger', $ledger,
        '--seed', $o{seed} // $n, map { my $v = $o{$_}; /^(?:target|seed)$/ ? () : $v eq '' ? "--$_" : ("--$_", $v) } sort keys %o);
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>', "$ledger.out";
        exec @command or POSIX::_exit(127);
    }
    push @{ $self->{ledgers} }, $ledger;
    my $load = { pid => $pid, ledger => $ledger };
    push @{ $self->{running} }, $load;
    return $load;
}

sub load_running {
    my ($self, $load) = @_;
    return 0 if $load->{done};
    $load->{done} = waitpid($load->{pid}, WNOHANG) == $load->{pid};
    return !$load->{done};
}

sub load_wait {
    my ($self, $load, $seconds) = @_;
    wait_for('the load ends', sub { !$self->load_running($load) }, $seconds // 120);
    return decode_json(slurp("$load->{ledger}.out"));
}

# The judge: hash of figures; {good} tells its verdict.
sub ledger {
    my ($self, %o) = @_;
    my @store = $self->{store} eq 'sqlite' ? ('--sqlite', $self->{db_path} // "$self->{dir}/data/alertwhisper.db") : ('--mongo', $self->{store});
    my @ledgers = @{ $o{ledgers} // $self->{ledgers} };
    my $out = qx{$TOP/build/release/t/tools/aw_ledger @store --floor ${\($o{floor} // 1)} --expect-dead ${\($o{dead} // 0)} @ledgers 2>$self->{dir}/logs/ledger.err};
    my $rc = $?;
    my $figures = eval { decode_json($out) } // { error => $out . slurp("$self->{dir}/logs/ledger.err") };
    $figures->{good} = $rc == 0;
    $figures->{complaints} = slurp("$self->{dir}/logs/ledger.err");
    return $figures;
}

# Lines of the logs that no test may leave behind.
sub log_trouble {
    my $self = shift;
    return join "\n", grep { /\[(?:alert|emerg)\]|Sanitizer|runtime error|exited on signal/ && !/exited on signal 9$/ } split /\n/,
        slurp("$self->{dir}/logs/error.log") . slurp("$self->{dir}/logs/worker.out");
}

sub DESTROY {
    my $self = shift;
    return if $$ != $self->{owner};
    local ($?, $@);
    kill 'KILL', map { $_->{pid} } grep { $self->load_running($_) } @{ $self->{running} // [] };
    eval { $self->end_worker('KILL') };
    eval { $self->stop_nginx };
    if ($ENV{AW_KEEP}) {
        warn "kept: $self->{dir} $self->{shm}\n";
    } else {
        remove_tree($self->{dir}, $self->{shm}, { safe => 0 });
    }
    return;
}

1;
