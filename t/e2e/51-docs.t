#!/usr/bin/env perl
# What the code has, the reference pages have: directives, variables, answers, counters, keys, log events, metrics.
# And what follows from the tables in the code is as `make docs` would write it.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;

chdir $AW::Stack::TOP or die;

sub slurp {
    my $text = '';
    for my $path (@_) {
        open my $f, '<', $path or die "$path: $!";
        local $/;
        $text .= <$f>;
    }
    return $text;
}
my %page = map { $_ => slurp("docs/reference/$_.md") } qw(directives configuration log);
my $module = slurp(glob 'ngx_http_alertwhisper*.c');
my $counters = slurp('src/aw_counters.h');
my $worker = slurp(split /\n/, `find worker -name '*.c'`);

# Each name that the code has, at least so many of them (a pattern that finds nothing proves nothing), in the page.
sub all_stand {
    my ($what, $page, $least, $form, @names) = @_;
    my %names = map { $_ => 1 } @names;
    cmp_ok(scalar keys %names, '>=', $least, "the code has $what");
    my @missing = grep { index($page{$page}, sprintf $form, $_) < 0 } sort keys %names;
    is("@missing", '', "$what: all of them stand in docs/reference/$page.md");
    return;
}

all_stand('directives', 'directives', 9, "\n### %s\n", $module =~ /ngx_string\("(alertwhisper_\w+)"\),\s+NGX_HTTP_/g);
for my $part (split /^### /m, $page{directives} =~ /^## Directives\n(.*?)^## /ms ? $1 : '') {
    next if $part !~ /^(alertwhisper_\w+)\n/;
    like($part, qr/^\| Syntax \| `$1.*;` \|\n\| Default \| .+ \|\n\| Context \| (?:http|server|location|, )+ \|$/m, "$1: syntax, default, context");
}
all_stand('variables', 'directives', 4, '| `$%s` |', $module =~ /ngx_string\("(alertwhisper_\w+)"\),\s*NULL/g);
my ($answers) = $module =~ /ngx_http_alertwhisper_answers\[\] = \{(.*?)^\};/ms;
my @codes = $answers =~ /^    \{ (?:NGX_HTTP_\w+|\d+), ngx_string\("(\w+)"\)/mg;
all_stand('verdicts', 'directives', 19, '`%s`', grep { $_ ne 'pending' } @codes);
my ($gauges) = $module =~ /ngx_http_alertwhisper_gauges\[\] = \{(.*?)^\};/ms;
all_stand('figures of the edge', 'directives', 11, '`alertwhisper_edge_%s`', $gauges =~ /\{ "\w+", "\w+", "(\w+)"/g);
all_stand('counters', 'directives', 22, '| `%s` |', $counters =~ /^\s+X\((\w+),/mg);
my @events = ($worker =~ /aw_log\(\s*\w+,\s*"([\w.]+)"/g, $worker =~ /aw_log_record\("([\w.]+)"/g, $worker =~ /line_write\(\w+,\s*"([\w.]+)"/g);
my @metrics = ($worker =~ /\.name = "(aw_\w+)"/g, $worker =~ /# TYPE (aw_\w+) /g);
all_stand('log events', 'log', 30, '| `%s` |', @events);
all_stand('metrics', 'log', 15, '`%s`', @metrics);
my %known = map { $_ => 1 } @events, @metrics;
my @told = ($page{log} =~ /^\| `([a-z]+\.[a-z_]+)` \|/mg, $page{log} =~ /`(aw_\w+)`/g);
is(join(' ', grep { !$known{$_} } @told), '', 'and no others');
unlike($worker, qr/aw_log\(\s*\w+,\s*[^"\s]/, 'each log event is named where it is logged');

my $keys = `scripts/docs --print-keys`;
my @keys = $keys =~ /^\| `\w+` \|/mg;
cmp_ok(scalar @keys, '>=', 21, 'the configuration has keys');
ok(index($page{configuration}, $keys) >= 0, 'the keys stand in docs/reference/configuration.md as in the code; else: make docs');
is(slurp('conf/alertwhisper.conf'), `build/release/alertwhisperd --print-config`, 'conf/alertwhisper.conf is the printed one; else: make docs');

my @commands = `build/release/alertwhisperd --help` =~ /alertwhisperd (?:\[--config FILE\] )?(--[a-z-]+|[a-z]+)/g;
cmp_ok(scalar @commands, '>=', 6, 'the worker has commands');
is(join(' ', grep { $page{configuration} !~ /^\| `alertwhisperd [^`]*\Q$_\E/m } @commands), '', 'all of them stand in docs/reference/configuration.md');

# Exit codes, also without a configuration file.
for my $words ('nonsense', 'queue', 'setup x', 'apply', '--nonsense') {
    system("build/release/alertwhisperd --config /nonexistent $words > /dev/null 2>&1");
    is($? >> 8, 2, "alertwhisperd $words: the command line is wrong");
}
system('build/release/alertwhisperd --config /nonexistent --check-config > /dev/null 2>&1');
is($? >> 8, 1, 'alertwhisperd --check-config without a file: failed');

# Links between the pages lead somewhere.
for my $path ('README.md', 'CHANGELOG.md', glob 'docs/*/*.md') {
    my ($folder) = $path =~ m{^(.*)/} ? $1 : '.';
    my @dead = grep { !-e "$folder/$_" } map { s/#.*//r } grep { !/^(?:https?:|#)/ } slurp($path) =~ /\]\(([^)\s]+)\)/g;
    is("@dead", '', "$path: every link leads somewhere");
}
done_testing;
