#!/usr/bin/env perl
# The same delivery sent again: after a restart of the worker, of nginx with its state file lost, with a fresh signature, with
# the same signature under another delivery id. One alert each, and every repeat hears the first one's id.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign alert_json);
use AW::Stack;
use JSON::PP qw(decode_json);
use Test::More;

my $stack = AW::Stack->new->start;
my $target = $stack->{targets}[0];

# %o: id (delivery id, undef = none), at (timestamp), body.
sub deliver {
    my (%o) = @_;
    my $body = $o{body};
    my %sign = sign($target->{hmac_secret}, $body, $o{at});
    my $r = HTTP::Tiny->new->post($stack->url('/api/webhooks/alerts'), { content => $body, headers => { %sign,
        'Content-Type' => 'application/json', 'X-API-Key' => $target->{api_key}, (defined $o{id} ? ('X-Delivery-ID' => $o{id}) : ()) } });
    return { status => $r->{status}, %{ (eval { decode_json($r->{content}) }) // {} } };
}
my $made = 0;
sub body { return alert_json(asset_name => $target->{assets}[0], message => 'number ' . ++$made) }
sub is_repeat {
    my ($answer, $first, $what) = @_;
    return is "$answer->{status} " . ($answer->{duplicate} ? 'repeat' : 'new') . " $answer->{alert_id}", "200 repeat $first->{alert_id}", $what;
}
# Seen over the API: an id may be an alias of the first one's.
sub real { my ($id) = @_; return $stack->api(GET => "/api/alerts/$id")->{json} // {} }

# --- what is a repeat, and what is not ---
my $now = time;
my ($first, $again) = (body(), undef);
my $one = deliver(id => 'one', at => $now, body => $first);
is $one->{status}, 200, 'a delivery';
is_repeat(deliver(id => 'one', at => $now, body => $first), $one, 'the same bytes again');
is_repeat(deliver(id => 'one', at => $now - 7, body => $first), $one, 'signed afresh');
is_repeat(deliver(id => 'other', at => $now, body => $first), $one, 'the same signature under another delivery id');
is_repeat(deliver(id => 'other-2', at => $now - 7, body => $first), $one, 'the fresh signature under another delivery id');
is_repeat(deliver(at => $now, body => $first), $one, 'and without a delivery id');
ok !deliver(id => 'one-b', at => $now + 1, body => $first)->{duplicate}, 'another id and another signature: a new alert';
my $content = body();
my $two = deliver(at => $now, body => $content);
is_repeat(deliver(at => $now, body => $content), $two, 'without an id, the content is known for five minutes');
my $three = deliver(at => $now + 2, body => $content);
ok $three->{status} == 200 && !$three->{duplicate}, 'the same text with another signed time is a new alert';
my $forged = deliver(id => 'one', at => $now - 400, body => $first);
is "$forged->{status} $forged->{detail}", '401 Timestamp Expired', 'an old timestamp is refused, known or not';

# --- across restarts, on the way and after it is stored ---
my %sent;
sub send_each { $sent{$_[0]}{$_} = deliver(id => "$_[0]-$_", at => time - $_, body => $sent{$_[0]}{body}{$_} = body()) for 1 .. 5 }
sub resend_each {
    my ($group, $what, $fresh) = @_;
    my @bad;
    for my $n (1 .. 5) {
        my $old = $sent{$group}{$n};
        my $answer = deliver(id => "$group-$n", at => time - 20 - $n, body => $sent{$group}{body}{$n});
        push @bad, "$answer->{status} $answer->{alert_id}" if $answer->{status} != 200 || (!$fresh && $answer->{alert_id} ne $old->{alert_id});
        push @{ $sent{$group}{told}{$n} }, $answer->{alert_id} if $answer->{alert_id};
    }
    is_deeply \@bad, [], "$group: $what";
}
send_each('stored');
$stack->drained;
kill 'STOP', $stack->{worker};
send_each('waiting');
resend_each('waiting', 'known while it waits');
$stack->end_worker('KILL');
resend_each($_, 'known while the worker is dead') for qw(stored waiting);
$stack->start_worker->ready;
resend_each($_, 'known after the worker was restarted') for qw(stored waiting);

kill 'STOP', $stack->{worker};
send_each('rebuilt');
$stack->stop_nginx;
my ($state) = glob "$stack->{shm}/*.state";
ok $state && unlink($state), 'the state file is lost';
$stack->start_nginx;
resend_each('rebuilt', 'what waited is known again from the queue');
resend_each('stored', 'what was released is taken, and judged by the store', 'fresh');
kill 'CONT', $stack->{worker};
$stack->drained;
resend_each($_, 'once more', 'fresh') for qw(stored waiting rebuilt);
$stack->drained;

for my $group (qw(stored waiting rebuilt)) {
    my @wrong;
    for my $n (1 .. 5) {
        my $first = $sent{$group}{$n}{alert_id};
        push @wrong, map { my $is = real($_)->{id} // 'none'; $is eq $first ? () : "$_ is $is, not $first" } $first, @{ $sent{$group}{told}{$n} };
    }
    is_deeply \@wrong, [], "$group: every id that was answered leads to the first alert";
}
my %count;
$count{ $_->{message} }++ for @{ $stack->api(GET => "/api/alerts?company_id=$target->{company_id}&limit=500")->{json}{items} };
is_deeply { map { $_ => $count{$_} } grep { $count{$_} != 1 } keys %count }, { 'number 1' => 2, 'number 2' => 2 }, 'one alert each';
is scalar(keys %count), $made, 'and all of them';
is real($one->{alert_id})->{delivery_attempts}, 6, 'attempts of the first';
is real($sent{waiting}{1}{alert_id})->{delivery_attempts}, 5, 'attempts across restarts';

# --- nginx is killed and started again: what it knew, it knows ---
send_each('killed');
$stack->crash_nginx_master;
resend_each('killed', 'known after kill -9 of nginx');
$stack->end_worker;
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
