#!/usr/bin/env perl
# Every correlation scenario of t/vectors on MongoDB (mongo-java-server, and a real one if AW_TEST_MONGO_URI names it), while
# the writer is killed at a crash point of the driver: once for each point, in every commit; then once more where a writer
# is killed behind its commit point and the next one while it takes over. The counted point mongo.apply.sent (behind each
# message that brings rows in) is walked until no commit has so many. With SQLite t/unit/domain_scenarios.c does the same.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use AW::Mongo;
use Test::More;
use Time::HiRes qw(time);

chdir "$Bin/../..";
my $program = 'build/crash/t/unit/domain_scenarios_on_mongo.t';
system('make', '-s', '-j2', 'MODE=crash', $program) == 0 or BAIL_OUT('the unit test does not build');

# Kills of one walk: in commits, while opening.
sub walk {
    my ($uri, $point, $opening) = @_;
    local $ENV{AW_TEST_MONGO_URI} = $uri;
    local $ENV{AW_TEST_KILL} = $point;
    local $ENV{AW_TEST_KILL_OPEN} = $opening;
    delete $ENV{AW_TEST_KILL_OPEN} if !$opening;
    my $began = time;
    my $out = qx{$program 2>&1};
    my $name = $point . ($opening ? ", then $opening" : '');
    is $?, 0, $name or diag $out;
    my ($commits, $killed, $killed_opening, $compared) = $out =~ /^# (\d+) commits, killed in (\d+), and (\d+) times opening; (\d+) scenarios as expected$/m;
    is $compared, 120, "$name: all as expected" or return;
    note sprintf '%s: %d commits, killed in %d, and %d times opening; %.1f s', $name, $commits, $killed, $killed_opening, time - $began;
    return ($commits, $killed, $killed_opening);
}

my $java = AW::Mongo->start('java');
my %databases = (java => sub { $java->database($_[0]) });
if (my $given = $ENV{AW_TEST_MONGO_URI}) {
    my ($server, $options) = $given =~ m{^(mongodb(?:\+srv)?://[^/?]+)[^?]*(\?.*)?$};
    $databases{given} = sub { "$server/aw_${$}_$_[0]" . ($options // '') };
}
for my $kind (sort keys %databases) {
    subtest $kind => sub {
        my $n = 0;
        my $fresh = sub { $databases{$kind}->('scenarios' . ++$n) };
        my $written;    # commits; a unit that finds nothing to write makes none
        for my $point (map { "mongo.commit.$_" } qw(before_journal after_journal applied done)) {
            my ($commits, $killed) = walk($fresh->(), $point);
            $written //= $killed;
            is $killed, $written, "$point: every commit was killed";
            cmp_ok $killed, '>=', 20, "$point: they are many";
        }
        my ($messages, $killed) = (0, 1);
        while ($killed) {
            $messages++;
            (undef, $killed) = walk($fresh->(), "mongo.apply.sent:$messages");
            die 'no figures' if !defined $killed;
        }
        cmp_ok $messages, '>', 4, 'commits bring rows into several collections';
        for my $opening ('mongo.take_over.barrier', (map { "mongo.apply.sent:$_" } 1, 3), 'mongo.take_over.applied') {
            my (undef, undef, $killed_opening) = walk($fresh->(), 'mongo.commit.after_journal', $opening);
            cmp_ok $killed_opening, '>', $written / 2, "$opening: the next one was killed";
        }
    };
}
done_testing;
