#!/usr/bin/env perl
# The store contract and the faults of the MongoDB driver, on every MongoDB server of the tests (and on a real one, if
# AW_TEST_MONGO_URI names it). Each unit test prints its own TAP; it is passed on as a subtest.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use Test::More;
use AW::Mongo;

chdir "$Bin/../..";
my @programs = map { "build/crash/t/unit/$_.t" } qw(store_contract store_contract_reads store_walk store_query store_mongo store_writer_on_mongo store_faults_on_mongo);
# With crash points: the driver is killed at each of them.
system('make', '-s', '-j2', 'MODE=crash', @programs) == 0 or BAIL_OUT('the unit tests do not build');

sub judge {
    my ($out) = @_;
    my @lines = <$out>;
    close $out;
    my $rc = $?;
    my ($planned) = map { /^1\.\.(\d+)$/ ? $1 : () } @lines;
    my @cases = grep { /^(?:not )?ok \d+/ } @lines;
    is(scalar @cases, $planned, 'runs what it planned') or diag(@lines);
    for my $case (@cases) {
        chomp $case;
        ok($case =~ /^ok \d+ (?!.*# SKIP)/, $case =~ s/^(?:not )?ok \d+ -? ?//r);
    }
    is($rc, 0, 'exit code') or diag(grep { !/^ok |^\{"time"/ } @lines);
    return;
}

my %servers = map { $_ => AW::Mongo->start($_) } AW::Mongo->kinds;
# A machine that is busy with other tests must not look like a server that is down.
my $patience = 'socketTimeoutMS=60000&connectTimeoutMS=20000&serverSelectionTimeoutMS=20000';
my %uris = map { $_ => $servers{$_}->uri('contract') =~ s/\?.*//r . "?$patience" } keys %servers;
$uris{given} = $ENV{AW_TEST_MONGO_URI} if $ENV{AW_TEST_MONGO_URI};

# On all servers at once: much of the time the client library waits before it looks for its server again.
local $ENV{AW_TEST_STORE} = 'mongo';
for my $program (@programs) {
    my ($name) = $program =~ m{([^/]+)\.t$};
    my %out;
    for my $kind (sort keys %uris) {
        local $ENV{AW_TEST_MONGO_URI} = $uris{$kind};
        open $out{$kind}, '-|', "$program 2>&1" or BAIL_OUT("$program: $!");
    }
    subtest "$name on $_" => sub { judge($out{$_}) } for sort keys %out;
}
done_testing;
