package AW::Nginx;

# A private nginx with the module: temporary prefix, ports from the kernel, signals with conditions awaited, and
# checks of all logs at the end.
#
#   my $nginx = AW::Nginx->new(locations => 'location = /x { return 204; }');
#   $nginx->start;
#   $nginx->table("company acme\nkey secret-key\nasset srv-1\n");
#   my $answer = $nginx->post($body, 'X-API-Key' => 'secret-key');
#   $nginx->finish;            # stops it and adds the checks of the logs to the test
#
# Environment: AW_NGINX (program), AW_MODULE (the .so; empty: it is linked in), AW_TOOLS (folder of aw_edge_table, aw_queue_dump),
# AW_KEEP=1 leaves the prefix behind. As root the workers run as nobody; `user => 'nobody'` starts all as nobody.

use strict;
use warnings;
use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes qw(sleep time);

use AW::HTTP qw(request_bytes exchange);
use AW::Port qw(free_port);

# libmongoc's counters would leave a file in /dev/shm for each program that is killed.
$ENV{MONGOC_DISABLE_SHM} = 1;

our $TOP    = abs_path(dirname(__FILE__) . '/../../..');
our $NGINX  = $ENV{AW_NGINX} // '/usr/sbin/nginx';
our $MODULE = $ENV{AW_MODULE} // "$TOP/build/ngx_http_alertwhisper_module.so";
our $TOOLS  = $ENV{AW_TOOLS} // "$TOP/build/release/t/tools";

my $TIMEOUT = 20;
my %ALIVE;    # prefixes whose nginx may still run, for END

# Calls the condition until it is true; dies after the time limit, naming what was awaited.
sub await
{
    my ($what, $condition, $timeout) = @_;
    my $deadline = time + ($timeout // $TIMEOUT);
    while (1) {
        my $value = $condition->();
        return $value if $value;
        croak "timed out: $what" if time > $deadline;
        sleep 0.01;
    }
}

sub slurp
{
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return scalar <$file> // '';
}

sub spew
{
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or croak "$path: $!";
    print {$file} $text;
    close $file or croak "$path: $!";
}

# A disk: `disk` acks refuse file systems that live in memory.
sub base_dir
{
    for my $dir ($ENV{TMPDIR} // '/tmp', '/var/tmp') {
        my $type = `stat -f -c %T $dir`;
        return $dir unless $type =~ /tmpfs|ramfs/;
    }
    return $TOP;
}

# Options: conf (whole text), main, http, server, locations (text at that level), workers, queue, edge (arguments
# of the two directives), user, allow (list of patterns of log lines that are expected).
sub new
{
    my ($class, %opt) = @_;
    my $dir = tempdir('aw-edge-XXXXXX', DIR => base_dir());
    chmod 0755, $dir;
    my $self = bless {
        dir     => $dir,
        workers => 2,
        queue   => 'data/alerts.queue 4m ids=16k',
        edge    => 'run/edge.table 1m',
        main    => '',
        http    => '',
        server  => '',
        allow   => [],
        secrets => [],
        %opt,
    }, $class;
    $self->{locations} //= $self->default_locations;
    my ($uid, $gid) = $> == 0 ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);
    for my $name (qw(logs tmp data run)) {
        mkdir "$dir/$name" or croak "$dir/$name: $!";
        chown $uid, $gid, "$dir/$name" if $> == 0;
    }
    chown $uid, $gid, $dir if $> == 0 && $self->{user};
    $self->{port}  = free_port();
    $self->{port2} = free_port();
    return $self;
}

sub default_locations
{
    return <<'CONF';
            location = /alerts { alertwhisper_ingest; alertwhisper_ack memory; }
            location = /disk   { alertwhisper_ingest; }
            location = /status { alertwhisper_status; }
CONF
}

sub dir    { return $_[0]{dir} }
sub port   { return $_[0]{port} }
sub h2port { return $_[0]{port2} }

sub conf_text
{
    my ($self) = @_;
    my $text = $self->{conf} // <<'CONF';
%%GLOBALS%%
worker_processes %%WORKERS%%;
%%MAIN%%
events { worker_connections 512; }
http {
%%HTTP_GLOBALS%%
    alertwhisper_queue %%QUEUE%%;
    alertwhisper_edge_table %%EDGE%%;
%%HTTP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% http2;
        server_name test;
%%SERVER%%
%%LOCATIONS%%
    }
}
CONF
    my $user = $> == 0 && !$self->{user} ? "user nobody nogroup;\n" : '';
    my %value = (
        GLOBALS => $user . ($MODULE && 'load_module ' . $self->module . ";\n") . "pid nginx.pid;\nerror_log logs/error.log info;",
        HTTP_GLOBALS => join(
            "\n",
            '    access_log logs/access.log;',
            map { "    ${_}_temp_path tmp/$_;" } qw(client_body proxy fastcgi uwsgi scgi)
        ),
        WORKERS   => $self->{workers},
        MAIN      => $self->{main},
        QUEUE     => $self->{queue},
        EDGE      => $self->{edge},
        HTTP      => $self->{http},
        SERVER    => $self->{server},
        LOCATIONS => $self->{locations},
        PORT      => $self->{port},
        PORT2     => $self->{port2},
        DIR       => $self->{dir},
    );
    1 while $text =~ s/%%(\w+)%%/$value{$1} \/\/ croak "no value for $1"/ge;
    return $text;
}

# A user who cannot come into the folder of the project has a copy.
sub module
{
    my ($self) = @_;
    return $MODULE unless $self->{user};
    my $copy = "$self->{dir}/module.so";
    system('install', '-m', '644', $MODULE, $copy) == 0 or croak "cannot copy $MODULE" unless -e $copy;
    return $copy;
}

sub write_conf
{
    my ($self) = @_;
    spew("$self->{dir}/nginx.conf", $self->conf_text);
    return;
}

# Runs nginx with arguments as the user that starts it. Returns (exit status, output).
sub run_nginx
{
    my ($self, @args) = @_;
    my @command = ($NGINX, '-p', "$self->{dir}/", '-c', 'nginx.conf', '-e', 'logs/error.log', @args);
    unshift @command, 'setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'
        if $> == 0 && $self->{user};
    return run(@command);
}

sub run
{
    my (@command) = @_;
    my $pid = open3(my $in, my $out, undef, @command);
    close $in;
    my $text = do { local $/; <$out> } // '';
    waitpid $pid, 0;
    return ($? >> 8, $text);
}

# nginx -t with the configuration as it is now: (exit status, messages).
sub test_conf
{
    my ($self) = @_;
    $self->write_conf;
    return $self->run_nginx('-t');
}

sub start
{
    my ($self) = @_;
    local $ENV{MALLOC_PERTURB_} = 165;    # memory that is used after it was freed shows
    my ($status, $text) = $self->test_conf;
    croak "nginx -t failed:\n$text" if $status;
    ($status, $text) = $self->run_nginx;
    croak "nginx did not start:\n$text" if $status;
    $ALIVE{ $self->{dir} } = $self;
    await('pid file and workers', sub { $self->master && $self->workers == $self->{workers} });
    return $self;
}

sub master
{
    my ($self) = @_;
    my ($pid) = slurp("$self->{dir}/nginx.pid") =~ /\A(\d+)\n/;
    return $pid && kill(0, $pid) ? $pid : 0;
}

# Worker processes of a master that take connections (default: the one of the pid file).
sub workers
{
    my ($self, $master) = @_;
    $master //= $self->master or return;
    my @children = split ' ', slurp("/proc/$master/task/$master/children");
    return grep { slurp("/proc/$_/cmdline") =~ /\Anginx: worker process\0*\z/ } @children;
}

# Is the process gone? (A zombie counts: only its parent has not looked yet.)
sub gone
{
    my ($pid) = @_;
    return slurp("/proc/$pid/stat") !~ /\) [^ZX] /;
}

# HUP with the configuration as it is now. Returns '' when new workers serve and the old ones are gone, else the
# error lines. keep_old: do not wait for the old ones.
sub reload
{
    my ($self, %opt) = @_;
    $self->write_conf;
    my $offset = -s "$self->{dir}/logs/error.log";
    my %old    = map { $_ => 1 } $self->workers;
    kill HUP => $self->master;
    my $error = '';
    await('new workers', sub {
        my $text = substr slurp("$self->{dir}/logs/error.log"), $offset;
        $error = join '', $text =~ /^(.*\[emerg\].*\n)/mg;
        return 1 if $error;
        return $self->{workers} <= grep { !$old{$_} } $self->workers;
    });
    await('old workers end', sub { !grep { !gone($_) } keys %old }) unless $error || $opt{keep_old};
    return $error;
}

# USR2: a new master with new workers beside the old. Returns (old master, new master).
sub upgrade
{
    my ($self) = @_;
    my $old = $self->master;
    kill USR2 => $old;
    my $new = await('new master', sub {
        my $pid = $self->master;
        return $pid && $pid != $old && $self->workers($pid) == $self->{workers} ? $pid : 0;
    });
    push @{ $self->{masters} }, $old;
    return ($old, $new);
}

# Starts again after kill -9 of the master and its workers.
sub restart
{
    my ($self) = @_;
    unlink "$self->{dir}/nginx.pid";
    return $self->start;
}

sub signal
{
    my ($self, $signal, $pid) = @_;
    kill $signal => $pid // $self->master;
    return;
}

sub stop
{
    my ($self) = @_;
    for my $master (@{ $self->{masters} // [] }, $self->master) {
        next if !$master || gone($master);
        my @workers = $self->workers($master);
        kill QUIT => $master;
        eval { await('nginx ends', sub { gone($master) && !grep { !gone($_) } @workers }, 30) }
            or do { kill KILL => $master, @workers; Test::More::fail("nginx ended at QUIT: $@") };
    }
    delete $ALIVE{ $self->{dir} };
    return;
}

# --- the two files, through the tools ---

sub table
{
    my ($self, $text, $path) = @_;
    $path //= "$self->{dir}/run/edge.table";
    push @{ $self->{secrets} }, grep { length >= 6 } $text =~ /^key (\S+)/mg,
        map { split /,/ } $text =~ /\bhmac=(\S+)/g;
    my $pid = open3(my $in, my $out, '>&STDERR', "$TOOLS/aw_edge_table", $path);
    print {$in} $text;
    close $in;
    my $answer = do { local $/; <$out> };
    waitpid $pid, 0;
    croak "aw_edge_table failed on $path" if $?;
    return $answer + 0;
}

sub queue_path { return "$_[0]{dir}/" . (split ' ', $_[0]{queue})[0] }

# Records that wait (drain => 1: and releases them), in order.
sub records
{
    my ($self, %opt) = @_;
    my ($status, $text) =
        run("$TOOLS/aw_queue_dump", ($opt{drain} ? '--drain' : ()), $opt{path} // $self->queue_path);
    croak "aw_queue_dump: $text" if $status;
    return map { JSON::PP::decode_json($_) } grep { /\A\{/ } split /\n/, $text;
}

# A consumer that drains the queue until the returned function is called, which gives the records back.
sub follow
{
    my ($self) = @_;
    my $path = "$self->{dir}/followed";
    open my $out, '>', $path or croak "$path: $!";
    my $pid = open3(my $in, '>&' . fileno $out, undef, "$TOOLS/aw_queue_dump", '--follow', $self->queue_path);
    close $out;
    return sub {
        await('the queue is drained', sub { !grep { $_->{kind} ne 'filler' } $self->records });
        close $in;
        waitpid $pid, 0;
        croak 'aw_queue_dump failed' if $?;
        return map { JSON::PP::decode_json($_) } grep { /\A\{/ } split /\n/, slurp($path);
    };
}

# Stops every append to the queue until the returned function is called; with a signal as argument the holder is
# ended by it instead and leaves the mutex locked.
sub hold_queue
{
    my ($self) = @_;
    my $pid = open3(my $in, my $out, undef, "$TOOLS/aw_queue_hold", $self->queue_path);
    my $line = <$out> // '';
    croak "aw_queue_hold: $line" unless $line eq "held\n";
    return sub {
        my ($signal) = @_;
        kill $signal => $pid if $signal;
        close $in;
        waitpid $pid, 0;
        return;
    };
}

# --- requests ---

sub request
{
    my ($self, $method, $path, $headers, $body) = @_;
    return scalar exchange($self->{port}, [request_bytes($method, $path, $headers, $body)],
        no_body => $method eq 'HEAD');
}

# A JSON body to /alerts (or to the path in {path} as first argument).
sub post
{
    my ($self, $body, @headers) = @_;
    return $self->post_to('/alerts', $body, @headers);
}

sub post_to
{
    my ($self, $path, $body, @headers) = @_;
    push @headers, 'Content-Type' => 'application/json' unless grep { lc eq 'content-type' } @headers;
    return $self->request('POST', $path, \@headers, $body);
}

sub status
{
    my ($self) = @_;
    return $self->request('GET', '/status', [])->{json};
}

sub log_text
{
    my ($self, $name) = @_;
    return slurp("$self->{dir}/logs/" . ($name // 'error.log'));
}

# --- the end ---

sub allow
{
    my ($self, @patterns) = @_;
    push @{ $self->{allow} }, @patterns;
    return;
}

# Stops nginx and checks what it left behind.
sub finish
{
    my ($self) = @_;
    $self->stop;
    my @bad;
    for my $line (split /\n/, $self->log_text) {
        my $trouble = $line =~ /\[(?:alert|crit|emerg)\]/
            || $line =~ /exited with code [1-9]/
            || $line =~ /open socket #\d+ left/;
        next unless $trouble;
        push @bad, $line unless grep { $line =~ $_ } @{ $self->{allow} };
    }
    Test::More::is(join("\n", @bad), '', 'no unexpected alert, crit or emerg in the error log');

    my @files = glob "$self->{dir}/logs/*";
    my @leaks;
    for my $file (@files) {
        my $text = slurp($file);
        push @leaks, "$file: a secret" if grep { index($text, $_) >= 0 } @{ $self->{secrets} };
        push @leaks, "$file: $1" if $text =~ /^(.*(?:Sanitizer|runtime error:).*)/m;
    }
    Test::More::is(join("\n", @leaks), '', 'no secret and no sanitizer report in any log');
    my $tmp = "$self->{dir}/tmp/client_body";
    Test::More::is(join(' ', glob "$tmp/*"), '', 'no body left behind in a temporary file');
    return;
}

sub DESTROY
{
    my ($self) = @_;
    remove_tree($self->{dir}) unless $ENV{AW_KEEP} || $ALIVE{ $self->{dir} };
    return;
}

END {
    my $status = $?;
    for my $self (values %ALIVE) {
        my @masters = grep { $_ } $self->master, @{ $self->{masters} // [] };
        kill KILL => map { ($_, $self->workers($_)) } @masters;
    }
    %ALIVE = ();
    $? = $status;
}

1;
