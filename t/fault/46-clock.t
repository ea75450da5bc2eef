#!/usr/bin/env perl
# The wall clock of nginx and worker jumps under load: forward, a day back, and right again. Nothing is lost, no old
# signature is accepted, no limit stays shut. And a worker that was away for longer than the correlation window decides as
# if it had been there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::Clock;
use AW::HTTP qw(sign alert_json);
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes ();

my $clock = AW::Clock->new;
my %fake = %{ $clock->env };
my $shift = 0;
sub jump { ($shift) = @_; $clock->shift_by($shift); return }
sub now { return time + $shift }

my $stack = AW::Stack->new(companies => 2, nginx_env => [sort keys %fake], worker_env => \%fake);
$stack->setup;
{ local %ENV = (%ENV, %fake); $stack->start_nginx }
$stack->start_worker->ready;
my ($target, $limited) = @{ $stack->{targets} };
sub deliver {
    my ($to, %o) = @_;
    my $body = $o{body} // alert_json(asset_name => $to->{assets}[0], signature => $o{signature} // 'clock', message => 'm' . rand, severity => 'low');
    my %sign = sign($to->{hmac_secret}, $body, $o{at} // now());
    my $r = HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => $body, headers => { %sign,
        'Content-Type' => 'application/json', 'X-API-Key' => $to->{api_key}, 'X-Delivery-ID' => $o{id} // 'c' . rand } });
    return { status => $r->{status}, body => $body, sign => \%sign, %{ (eval { decode_json($r->{content}) }) // {} } };
}
# nginx has seen the new time when it takes what is signed with it.
sub settled { return AW::Stack::wait_for('nginx has the new time', sub { deliver($target, signature => 'settle')->{status} == 200 }, 10) }

my $first = deliver($target, id => 'first');
is $first->{status}, 200, 'the clock is right';
my ($taken, @replays, @stalls) = (0);
for my $to (400, -86400, 600, 0) {
    jump($to);
    settled();
    my $load_ok = grep { deliver($target)->{status} == 200 } 1 .. 25;
    is $load_ok, 25, "clock $to s: alerts are taken";
    $taken += $load_ok;
    # The first one's bytes: refused as too old or too new, or, inside its time, known.
    my $again = HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => $first->{body}, headers => { %{ $first->{sign} },
        'Content-Type' => 'application/json', 'X-API-Key' => $target->{api_key}, 'X-Delivery-ID' => "replay-$to" } });
    my $json = decode_json($again->{content});
    push @replays, "$to: $again->{status} $again->{content}" if $again->{status} == 200 && !($json->{duplicate} && $json->{alert_id} eq $first->{alert_id});
    is $again->{status}, $to == 0 ? 200 : 401, "clock $to s: the first one's signature again";
}
is_deeply \@replays, [], 'no replay is accepted as new';

# --- the rate limiter: burst of 5, one a second; jumps neither shut it for good nor open it ---
$stack->{token} = $stack->token;
my $set = $stack->api(PUT => "/api/companies/$limited->{company_id}/rate-limit", { enabled => JSON::PP::true, requests_per_minute => 60, burst_size => 5 });
is $set->{status}, 200, 'a rate limit' or diag $set->{content};
AW::Stack::wait_for('the limit works', sub { deliver($limited)->{status} == 429 }, 10);
for my $to (-86400, 86400, 0) {
    jump($to);
    settled();
    my $passed = grep { deliver($limited)->{status} == 200 } 1 .. 20;
    cmp_ok $passed, '<', 20, "clock $to s: the limit holds";
    my $began = Time::HiRes::time;
    AW::Stack::wait_for('a token', sub { deliver($limited)->{status} == 200 }, 5);
    cmp_ok Time::HiRes::time - $began, '<', 4, "clock $to s: and opens again";
}

# --- an outage longer than the window (15 minutes): groups are those of the times at which alerts came ---
$stack->drained;
$stack->end_worker('KILL');
jump(0);
settled();
deliver($target, signature => $_) for qw(far near near both);   # near: two of one time; far: a second one half an hour later
jump(1800);
settled();
deliver($target, signature => $_) for qw(far both both);
jump(3600);
settled();
$stack->start_worker->ready->drained;
$stack->{token} = undef;
my %size = map { $_->{signature} => $_->{alert_count} } @{ $stack->api(GET => '/api/incidents?company_id=' . $target->{company_id} . '&limit=100')->{json}{items} };
is $size{near}, 2, 'two of one time make an incident, though the worker came an hour later';
is $size{far}, undef, 'two that are half an hour apart do not';
is $size{both}, 2, 'the second pair does, without the one before';

my $load = $stack->load_start(count => $ENV{AW_SHORT} ? 300 : 1000, rate => 300, connections => 16);
$stack->load_wait($load);
my $refused = $stack->ledger(floor => 0);
is $refused->{refused}, $ENV{AW_SHORT} ? 300 : 1000, 'senders whose clock is an hour behind are refused';
$stack->drained;
my $got = $stack->ledger(floor => 0);
is $got->{$_}, 0, "ledger: $_" for qw(lost duplicated refused_but_stored corrupt recount);
cmp_ok $got->{unexpected}, '>=', $taken, 'everything that was taken is stored';
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
