#!/usr/bin/env perl
# The judge itself: a true ledger passes; one with a row removed, doubled or altered must not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use Test::More;

my $stack = AW::Stack->new->start;
my $sent = $stack->load_wait($stack->load_start(count => 400, connections => 16, copies => 3));
$stack->drained;
cmp_ok $sent->{acked}, '>=', 400, 'the load was accepted';
my $true = $stack->ledger(floor => 400);
ok $true->{good}, 'the true ledger passes' or diag explain $true;
is $true->{ok}, 400, 'every delivery is ok';

my @lines = split /^/, AW::Stack::slurp($stack->{ledgers}[0]);
my ($row) = grep { (split / /, $lines[$_])[5] == 200 } 100 .. $#lines;
my $delivery = (split / /, $lines[$row])[3];
my %broken = (
    'row removed' => [unexpected => sub { grep { (split / /)[3] ne $delivery } @_ }],
    'row doubled' => [ledger_broken => sub { (@_, $_[$row]) }],
    'body altered' => [corrupt => sub { $_[$row] =~ s/ [0-9a-f]{60}/ ' ' . '0' x 60/e; (grep { (split / /)[3] ne $delivery } @_), $_[$row] }],
    'answer altered' => [lost => sub { $_[$row] =~ s/ 200 \S+/ 200 00000000-0000-7000-8000-000000000000/; @_ }],
    'refusal invented' => [refused_but_stored => sub { map { (split / /)[3] eq $delivery ? s/ 200 / 422 /r : $_ } @_ }],
);
for my $what (sort keys %broken) {
    my ($figure, $break) = @{ $broken{$what} };
    my @copy = @lines;
    AW::Stack::spew("$stack->{dir}/broken", join '', $break->(@copy));
    my $got = $stack->ledger(ledgers => ["$stack->{dir}/broken"]);
    ok !$got->{good}, "$what: the judge refuses";
    cmp_ok $got->{$figure} // 0, '>=', 1, "$what: it shows as $figure" or diag explain $got;
}
ok !$stack->ledger(floor => 401)->{good}, 'a floor above what was sent is not reached';
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
