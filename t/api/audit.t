#!/usr/bin/env perl
# The audit trail: what docs/how-to/check-the-audit-trail.md says, done word for word; and that it finds what was changed.
use strict;
use warnings;
use DBI;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;

my $stack = AW::Stack->new(companies => 2, assets => 2, worker_conf => 'log_level = "error"')->start;
my $company = $stack->{targets}[0]{company_id};
my $dir = "$stack->{dir}/audit";
mkdir $dir or die;

sub slurp { my $path = shift; open my $f, '<:raw', $path or die "$path: $!"; local $/; return scalar <$f> }
sub spew { my ($path, $text) = @_; open my $f, '>:raw', $path or die; print $f $text; close $f or die; return }

my @blocks = slurp("$AW::Stack::TOP/docs/how-to/check-the-audit-trail.md") =~ /^```(?:sh|perl)\n(.*?)^```/msg;
is(scalar @blocks, 3, 'the page has three things to do');
my ($export, $signature, $script) = @blocks;
spew("$dir/check.pl", $script);

sub sh {
    my ($text, %env) = @_;
    local @ENV{ keys %env } = values %env;
    spew("$dir/run.sh", $text);
    my $out = qx{cd $dir && sh -e run.sh 2>&1};
    return ($? >> 8, $out);
}
sub export_chain { return sh($export, TOKEN => $stack->{token} // $stack->token, URL => $stack->url(''), COMPANY => shift) }
sub check { my $out = qx{cd $dir && perl check.pl @_ 2>&1}; return $out }
sub told { return map { decode_json($_) } grep { /"event":"audit.checkpoint"/ } split /\n/, slurp("$stack->{dir}/logs/worker.log") }
sub words { return (split / /, shift)[1 .. 3] }

# Acts, and one that is refused by its state.
$stack->{token} = $stack->token;
$stack->api('POST', "/api/companies/$company/webhook-security/enable");
$stack->api('PUT', "/api/companies/$company/rate-limit", { enabled => JSON::PP::true, burst_size => $_ }) for 1 .. 5;

my $verdict = $stack->api('GET', "/api/audit-logs/verify?company_id=$company")->{json};
is("$verdict->{holds} $verdict->{bad}", '1 0', 'the chain holds');
cmp_ok($verdict->{rows}, '>=', 7, 'with a row for each act');
my ($rc, $out) = export_chain($company);
is("$rc$out", '0', 'the export is made as the page says');
my @lines = split /\n/, slurp("$dir/audit.jsonl");
is(scalar @lines, $verdict->{rows} + 1, 'rows, and the checkpoint');
is((words(decode_json($lines[-1])->{checkpoint}))[2], (words($verdict->{checkpoint}))[2], 'which ends where the chain ends');
($rc, $out) = sh($signature);
is($rc, 0, 'its signature holds') or diag $out;
is(check('audit.jsonl'), "$company: $verdict->{rows} rows hold\n", 'and so do the rows');

# Each part of it, forged.
my $good = slurp("$dir/audit.jsonl");
my %forged = (
    'a member'    => [$good =~ s/"action":"rate_limit.updated"/"action":"rate_limit.updatee"/r, qr/^row \d+ was changed/],
    'details'     => [$good =~ s/"burst_size":3/"burst_size":4/r, qr/^row \d+ was changed/],
    'a time'      => [$good =~ s/"timestamp":"\d{4}/"timestamp":"1999/r, qr/^row \d+ was changed/],
    'a row out'   => [join('', map { "$_\n" } @lines[0, 1], @lines[3 .. $#lines]), qr/^row 4 does not follow row 2/],
    'the end cut' => [join('', map { "$_\n" } @lines[0 .. $#lines - 2], $lines[-1]), qr/^the checkpoint says/],
    'no end'      => [join('', map { "$_\n" } @lines[0 .. $#lines - 1]), qr/^there is no checkpoint/],
);
for my $what (sort keys %forged) {
    my ($text, $words) = @{ $forged{$what} };
    isnt($text, $good, "$what: the file is another");
    spew("$dir/forged.jsonl", $text);
    like(check('forged.jsonl'), $words, "$what: found");
}
spew("$dir/audit.jsonl", $good =~ s/(alertwhisper-audit-1 \S+ )(\d+)/$1 . ($2 - 1)/er);
($rc, $out) = sh($signature);
isnt($rc, 0, 'a checkpoint that nobody signed');
spew("$dir/audit.jsonl", $good);

# Parts of an export.
my $part = $stack->api('GET', "/api/audit-logs/export?company_id=$company&from=3")->{content};
is($part, join('', map { "$_\n" } @lines[2 .. $#lines - 1]) . (split /^/, $part)[-1], 'a part begins where it shall');
is((words(decode_json((split /^/, $part)[-1])->{checkpoint}))[1], $verdict->{rows}, 'and has the checkpoint of the whole');
is($stack->api('GET', "/api/audit-logs/export?company_id=$company&from=0")->{status}, 422, 'there is no row 0');

# The list.
my $acts = $stack->api('GET', "/api/audit-logs?company_id=$company&action=rate_limit.updated")->{json};
is(join(',', map { $_->{details}{burst_size} } @$acts), '5,4,3,2,1', 'the list has the acts, newest first');
my $first = $stack->api('GET', '/api/audit-logs?limit=1&company_id=-&action=user.login')->{json}{items}[0];
is("$first->{company_id} $first->{object}", '- users', 'sign-ins are acts of no company');
my ($none) = export_chain('-');
is($none, 0, 'their chain is exported too');
like(check('audit.jsonl'), qr/^-: \d+ rows hold/, 'and holds');
spew("$dir/audit.jsonl", $good);

# The log has checkpoints, whatever its level is.
my %told = map { (words($_->{checkpoint}))[0] => $_ } told();
ok($told{$company} && $told{'-'}, 'checkpoints are in the log from the start on');
my (undef, $count, $hash) = words($told{$company}{checkpoint});
like(check('audit.jsonl', $company, $count, $hash), qr/rows hold/, 'and are a part of the chain');
$stack->end_worker;
%told = map { (words($_->{checkpoint}))[0] => $_ } told();
(undef, $count, $hash) = words($told{$company}{checkpoint});
is($count, $verdict->{rows}, 'the last word is said when the worker stops');
spew("$dir/line.jsonl", qq({"checkpoint":"$told{$company}{checkpoint}","signature":"$told{$company}{signature}"}\n));
($rc, $out) = sh($signature =~ s/audit\.jsonl/line.jsonl/gr);
is($rc, 0, 'with a signature that holds') or diag $out;

# Somebody who may write the database cuts the end off, and makes the head fit.
my $db = DBI->connect("dbi:SQLite:$stack->{dir}/data/alertwhisper.db", '', '', { RaiseError => 1 });
my $cut = $count - 1;
$db->do('DELETE FROM audit_logs WHERE company_id = ? AND number > ?', undef, $company, $cut);
my ($end) = $db->selectrow_array('SELECT hash FROM audit_logs WHERE company_id = ? AND number = ?', undef, $company, $cut);
$db->do('UPDATE meta SET value = ? WHERE id = ?', undef, qq({"number":$cut,"hash":"$end"}), "audit:$company");
$db->disconnect;
$stack->start_worker->ready;
is($stack->api('GET', "/api/audit-logs/verify?company_id=$company")->{json}{holds}, 1, 'the product cannot see it');
export_chain($company);
is(check('audit.jsonl'), "$company: $cut rows hold\n", 'nor can who has this export only');
like(check('audit.jsonl', $company, $count, $hash), qr/^row $count is not the one/, 'the log can');

is($stack->log_trouble, '', 'nothing broke');
done_testing;
