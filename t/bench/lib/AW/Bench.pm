package AW::Bench;
# What the benchmarks share: an edge or a whole product under load, processor time of processes, one JSON line a figure.
#
#   my $edge = AW::Bench::edge(ack => 'memory');          # nginx on cpu0 with 100 companies of 64 assets, no worker
#   my $load = AW::Bench::load($edge, path => '/memory', count => 200_000, connections => 64);
#   AW::Bench::report(name => 'x', value => 1.5, unit => 'ms', goal => '<= 2', runs => [1, 2]);
#
# Servers run on cpu0 and the client on cpu1 where `pin` is set. Processor time is the sum of schedstat over all threads.
use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP ();
use List::Util qw(sum0);
use POSIX ();
use lib dirname(__FILE__) . '/../../../lib';
use AW::Stack;

our $TOP = $AW::Stack::TOP;
our $BENCH = "$TOP/build/release/t/bench";
our $TOOLS = "$TOP/build/release/t/tools";
my $json = JSON::PP->new->canonical;

sub median {
    my @v = sort { $a <=> $b } @_;
    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

sub percentile {
    my ($share, @v) = @_;
    @v = sort { $a <=> $b } @v;
    return $v[POSIX::ceil($share * @v) - 1];
}

sub rounded { return 0 + sprintf '%.4g', $_[0] }

# name, value, unit, goal (">= 5", "<= 2"), and whatever else helps to read the figure; prints and returns whether it is met.
sub report {
    my (%line) = @_;
    my ($than, $limit) = $line{goal} =~ /^([<>]=) (\S+)$/ or die "goal: $line{goal}";
    my $met = $than eq '>=' ? $line{value} >= $limit : $line{value} <= $limit;
    $line{value} = rounded($line{value});
    $line{runs} = [map { rounded($_) } @{ $line{runs} }] if $line{runs};
    print $json->encode({ %line, met => $met ? JSON::PP::true : JSON::PP::false }), "\n";
    return $met;
}

# Processor time of processes since their start, in microseconds.
sub cpu_us {
    my $ns = 0;
    for my $stat (map { glob "/proc/$_/task/*/schedstat" } @_) {
        my ($ran) = AW::Stack::slurp($stat) =~ /^(\d+)/ or next;
        $ns += $ran;
    }
    return $ns / 1000;
}

# Resident memory of a process, MiB; RssAnon is its own, RssFile and RssShmem what it shares with files.
sub rss_mib {
    my ($pid, $kind) = @_;
    $kind //= 'VmRSS';
    my ($kib) = AW::Stack::slurp("/proc/$pid/status") =~ /^$kind:\s+(\d+) kB/m or die "no process $pid";
    return $kib / 1024;
}

# Bytes of the newest generation in an edge table file: the layout of src/aw_edge_layout.h.
sub edge_bytes {
    my ($path) = @_;
    my ($head, $page) = (64, 4096);
    my $file = AW::Stack::slurp($path);
    my ($generation) = unpack 'Q<', substr $file, 64 + 8, 8;
    my $buffer = $page + ($generation & 1) * (int((length($file) - $page) / 2) & ~63);
    my ($found, undef, $used) = unpack 'Q<Q<L<', substr $file, $buffer, $head;
    die 'the edge table has no generation' if !$generation || $found != $generation;
    return $used;
}

# Runs what starts servers, bound to cpu0 when `pin` is set.
sub pinned {
    my ($pin, $start) = @_;
    system("taskset -pc 0 $$ >/dev/null") if $pin;
    my $result = eval { $start->() };
    my $failed = $@;
    system("taskset -pc 0-1 $$ >/dev/null") if $pin;
    die $failed if $failed;
    return $result;
}

# nginx leads a session of its own: it gets the priority of the session in which the benchmark runs.
sub same_priority {
    my ($stack) = @_;
    my ($nice) = AW::Stack::slurp('/proc/self/autogroup') =~ /nice (-?\d+)/ or return;
    AW::Stack::spew('/proc/' . $stack->nginx_pid . '/autogroup', $nice) if $nice;
    return;
}

# Stack options for the benchmarks: sizes, and a second server with one location per kind of answer.
sub stack {
    my (%o) = @_;
    my $port = AW::Stack::free_port();
    my $answer = '{"message":"Alert received","alert_id":"019a0000-0000-7000-8000-000000000000","durability":"memory"}';
    my $conf = <<"EOT";
    server {
        listen 127.0.0.1:$port backlog=65535;
        location = /return { default_type application/json; return 200 '$answer'; }
        location = /memory { alertwhisper_ingest; alertwhisper_ack memory; }
        location = /disk { alertwhisper_ingest; alertwhisper_ack disk; }
    }
EOT
    my $stack = AW::Stack->new(companies => 100, assets => 64, workers => 1, queue_size => '256m', ids => '4m', conf => $conf, %o);
    $stack->{bench_port} = $port;
    my $text = AW::Stack::slurp("$stack->{dir}/nginx.conf");
    $text =~ s/worker_connections \d+;/worker_connections 16384;/;
    $text =~ s/^pid /worker_rlimit_nofile 40000;\npid /m;
    AW::Stack::spew("$stack->{dir}/nginx.conf", $text);
    return $stack;
}

# nginx alone, with an edge table of a tool.
sub edge {
    my (%o) = @_;
    my $pin = delete $o{pin} // 1;
    my $stack = stack(%o);
    my $text = '';
    for my $c (1 .. $stack->{companies}) {
        my @assets = map { "srv-$c-$_" } 1 .. $stack->{assets};
        my $target = { company_id => "comp-$c", api_key => "aw_bench_key_of_company_$c", hmac_secret => "bench secret of company $c", assets => \@assets };
        $target->{hmac_secret} =~ tr/ /-/;
        $text .= join "\n", "company comp-$c hmac=$target->{hmac_secret}", "key $target->{api_key}", (map { "asset $_" } @assets), '';
        push @{ $stack->{targets} }, $target;
    }
    $stack->write_target;
    pinned($pin, sub { $stack->start_nginx });
    same_priority($stack);
    open my $table, '|-', "$TOOLS/aw_edge_table $stack->{shm}/edge >/dev/null" or die "aw_edge_table: $!";
    print {$table} $text;
    close $table or die 'the edge table cannot be published';
    return $stack;
}

# The whole product with the benchmark's sizes. Its servers may run on every core.
sub product {
    my (%o) = @_;
    my $stack = stack(%o)->start;
    same_priority($stack);
    return $stack;
}

sub target_of {
    my ($stack) = @_;
    my $path = "$stack->{dir}/bench.json";
    AW::Stack::spew($path, $json->encode({ port => $stack->{bench_port} + 0, companies => $stack->{targets} }));
    return $path;
}

# Starts aw_load; options as its own, pin, and any_answer: refusals are counted in {errors} and no end.
sub load_start {
    my ($stack, %o) = @_;
    my $any = delete $o{any_answer};
    my $pin = delete $o{pin} // 1;
    my $seed = delete $o{seed} // 1 + ++$stack->{bench_loads};
    my $out = "$stack->{dir}/load.$seed.out";
    my @command = ($pin ? qw(taskset -c 1) : (), "$TOOLS/aw_load", delete $o{target} // target_of($stack), '--seed', $seed,
        map { $o{$_} eq '' ? "--$_" : ("--$_", $o{$_}) } sort keys %o);
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', $out;
        exec @command or POSIX::_exit(127);
    }
    return { pid => $pid, out => $out, any => $any };
}

# Its figures; dies when an answer was not 200 or a delivery was taken for a repeat.
sub load_wait {
    my ($load) = @_;
    waitpid $load->{pid}, 0;
    my $figures = $json->decode(AW::Stack::slurp($load->{out}));
    my %answers = %{ $figures->{answers} };
    $figures->{errors} = sum0(map { $answers{$_} } grep { $_ != 200 } keys %answers);
    die "the load met refusals: " . $json->encode($figures) if !$load->{any} && ($figures->{errors} || $figures->{duplicates});
    return $figures;
}

sub load { return load_wait(load_start(@_)) }

# Puts alerts into the queue file, past nginx, as fast as the worker takes them; { alerts, seconds, per_second, cpu_us }
# with the worker's processor time per alert.
sub feed {
    my ($stack, $alerts) = @_;
    my $from = $stack->{fed} // 0;
    $stack->{fed} = $from + $alerts;
    my $before = cpu_us($stack->{worker});
    my $figures = $json->decode(scalar qx{$BENCH/bench_feed $stack->{queue_dir}/queue $stack->{companies} $stack->{assets} $alerts $from});
    $figures->{per_second} = $alerts / $figures->{seconds};
    $figures->{cpu_us} = (cpu_us($stack->{worker}) - $before) / $alerts;
    return $figures;
}

# Dies unless the worker has stored exactly so many alerts since its start: a benchmark of lost alerts says nothing.
sub must_hold {
    my ($stack, $alerts) = @_;
    my $text = HTTP::Tiny->new->get($stack->url('/metrics'))->{content};
    my $stored = sum0($text =~ /^aw_alerts_total\{.*?\} (\d+)/mg);
    die "$alerts alerts were acked, $stored are stored" if $stored != $alerts;
    return;
}

# The bench consumer on cpu0.
sub consumer_start {
    my ($stack, @times) = @_;
    pipe my $read, my $write or die "pipe: $!";
    my $pid = open my $out, '-|' // die "fork: $!";
    if (!$pid) {
        close $write;
        open STDIN, '<&', $read;
        exec qw(taskset -c 0), "$BENCH/bench_consumer", "$stack->{queue_dir}/queue", @times or POSIX::_exit(127);
    }
    close $read;
    AW::Stack::wait_for('the bench consumer runs', sub { AW::Stack::slurp("/proc/$pid/comm") =~ /^bench_consumer/ });
    return { pid => $pid, out => $out, in => $write };
}

sub consumer_end {
    my ($consumer) = @_;
    close $consumer->{in};
    my $text = do { local $/; readline $consumer->{out} };
    close $consumer->{out};
    my $figures = $json->decode($text);
    die 'the consumer met damage' if $figures->{damaged};
    return $figures;
}

1;
