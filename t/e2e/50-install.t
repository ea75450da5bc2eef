#!/usr/bin/env perl
# `make install` into a folder of its own: what it puts there is whole, agrees with itself, and is accepted by nginx and
# by the worker.
use strict;
use warnings;
use Test::More;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;

my $top = $AW::Stack::TOP;
my $dest = tempdir('aw-install-XXXXXX', DIR => $ENV{AW_TEST_DIR} // '/var/tmp', CLEANUP => 1);

sub run {
    my (@command) = @_;
    my $pid = open my $out, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 127;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}
sub slurp { return AW::Stack::slurp(@_) }
sub install_all { return run('env', "DESTDIR=$dest", 'PREFIX=/usr', "$top/scripts/install") }

my ($status, $text) = install_all();
is($status, 0, 'installs') or diag $text;
my ($modules) = `nginx -V 2>&1` =~ /--modules-path=(\S+)/;
my %mode = (
    '/usr/sbin/alertwhisperd' => '0755', "$modules/ngx_http_alertwhisper_module.so" => '0644',
    '/etc/alertwhisper/alertwhisper.conf' => '0644', '/etc/nginx/alertwhisper.conf' => '0644',
    '/etc/nginx/alertwhisper-tls.conf' => '0644', '/etc/logrotate.d/alertwhisper' => '0644',
    '/usr/lib/systemd/system/alertwhisperd.service' => '0644', '/usr/lib/sysusers.d/alertwhisper.conf' => '0644',
    '/usr/lib/tmpfiles.d/alertwhisper.conf' => '0644', '/usr/share/doc/alertwhisper/LICENSE' => '0644',
    '/usr/share/doc/alertwhisper/docs/reference/configuration.md' => '0644',
    map { ('/etc/nginx/snippets/' . s{.*/}{}r => '0644') } glob "$top/conf/nginx/snippets/*.conf",
);
for my $path (sort keys %mode) {
    my $found = -f "$dest$path" ? sprintf('%04o', (stat _)[2] & 07777) : 'absent';
    is($found, $mode{$path}, "$path: there, mode $mode{$path}");
}

# What is there and differs is the administrator's.
my $mine = "$dest/etc/alertwhisper/alertwhisper.conf";
AW::Stack::spew($mine, "worker {\n    log_level = \"warn\"\n}\n");
($status, $text) = install_all();
is($status, 0, 'installs again');
like(slurp($mine), qr/warn/, 'a changed configuration file stays');
is(slurp("$mine.new"), slurp("$top/conf/alertwhisper.conf"), 'the new one lies beside it');
rename "$mine.new", $mine;

# The worker takes the sample, and it names the files that nginx's sample names.
($status, $text) = run("$dest/usr/sbin/alertwhisperd", '--config', $mine, '--check-config');
is($status, 0, 'the worker accepts its sample') or diag $text;
my ($worker, $files) = (slurp($mine), slurp("$dest/etc/nginx/snippets/alertwhisper-files.conf"));
my $nginx = slurp("$dest/etc/nginx/alertwhisper.conf");
for my $shared (
    ['queue file', $worker, qr/queues = \{"(.*?)"/, $files, qr/^alertwhisper_queue\s+(\S+)/m],
    ['edge table', $worker, qr/edge_table = "(.*?)"/, $files, qr/^alertwhisper_edge_table\s+(\S+)/m],
    ['socket', $worker, qr/ socket = "(.*?)"/, $nginx, qr/server unix:(\S+);/],
) {
    my ($what, $one, $in_one, $other, $in_other) = @$shared;
    my ($path) = $one =~ $in_one;
    is($path // 'none', join(' ', $other =~ $in_other), "both name one $what");
}
my ($tmpfiles, $unit) = map { slurp("$dest/usr/lib/$_") } 'tmpfiles.d/alertwhisper.conf', 'systemd/system/alertwhisperd.service';
for my $path ($worker =~ /= \{?"(\/\S+?)"/g) {
    my $folder = $path =~ s{/[^/]+\z}{}r;
    like($tmpfiles, qr/^d \Q$folder\E\s/m, "the folder of $path is made");
    like($unit, qr/^ReadWritePaths=.*\Q$folder\E\b/m, 'and the service may write there') if $folder !~ m{^/etc/};
}

# nginx takes the sites, with the paths and ports of this place.
my $site = "$dest/site";
make_path("$site/data", "$site/run", "$site/logs", "$site/tls");
$status = system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
    . "-keyout $site/tls/privkey.pem -out $site/tls/fullchain.pem 2> $site/logs/openssl");
is($status, 0, 'a certificate for the test');
for my $path (glob "$dest/etc/nginx/*.conf $dest/etc/nginx/snippets/*.conf") {
    my $conf = slurp($path);
    $conf =~ s{load_module modules/}{load_module $dest$modules/};
    $conf =~ s{^user .*}{}m if $> != 0;
    $conf =~ s{/var/lib/alertwhisper}{$site/data}g;
    $conf =~ s{/run/alertwhisper/edge}{$site/run/edge}g;
    $conf =~ s{/run/nginx.pid|/var/log/nginx}{$site/logs/nginx}g;
    $conf =~ s{/etc/alertwhisper/tls}{$site/tls}g;
    $conf =~ s{listen (?:80|443) }{'listen 127.0.0.1:' . AW::Stack::free_port() . ' '}ge;
    AW::Stack::spew($path, $conf);
}
make_path("$site/logs/nginx");
for my $name ('alertwhisper.conf', 'alertwhisper-tls.conf') {
    (my $conf = slurp("$dest/etc/nginx/$name")) =~ s{^pid .*}{pid $site/nginx.pid;}m;
    AW::Stack::spew("$dest/etc/nginx/$name", $conf);
    ($status, $text) = run('nginx', '-t', '-p', "$site/", '-c', "$dest/etc/nginx/$name", '-e', "$site/logs/error.log");
    is($status, 0, "nginx accepts $name") or diag $text;
}

# The unit: known to systemd, and closed.
SKIP: {
    skip 'no systemd here', 2 if system('command -v systemd-analyze > /dev/null 2>&1');
    my ($exposure) = (run('systemd-analyze', 'security', '--offline=true', "$dest/usr/lib/systemd/system/alertwhisperd.service"))[1]
        =~ /Overall exposure level for \S+: ([\d.]+)/;
    cmp_ok($exposure // 10, '<=', 2.0, 'the unit is closed');
    (my $here = $unit) =~ s{/usr/sbin/alertwhisperd}{$dest/usr/sbin/alertwhisperd}g;
    AW::Stack::spew("$site/alertwhisperd.service", $here =~ s/^Documentation=.*\n//mr);
    my (undef, $said) = run('systemd-analyze', 'verify', '--man=no', "$site/alertwhisperd.service");
    is(join('', grep { /alertwhisperd/ } split /^/, $said), '', 'systemd knows each of its settings');
}
done_testing;
