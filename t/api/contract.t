#!/usr/bin/env perl
# Every reply of the API, through nginx, fits the description that the API gives of itself; and the how-tos of the
# requirements work as they are written.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign);
use AW::Stack;
use HTTP::Tiny;
use JSON::PP qw(decode_json encode_json);
use Test::More;

my $stack = AW::Stack->new(companies => 2, assets => 3)->start;
my $doc = $stack->api('GET', '/api/openapi.json')->{json};
my ($target) = @{ $stack->{targets} };
my $company = $target->{company_id};

# What does not fit, as a list of places; [] = all does.
sub misfits
{
    my ($schema, $value, $at) = @_;
    if (my $ref = $schema->{'$ref'}) {
        return misfits($doc->{components}{schemas}{ $ref =~ s{.*/}{}r } // die("no $ref"), $value, $at);
    }
    return map { misfits($_, $value, $at) } @{ $schema->{allOf} } if $schema->{allOf};
    if (my $ways = $schema->{oneOf}) {
        my $fit = grep { !misfits($_, $value, $at) } @$ways;
        return $fit == 1 ? () : "$at fits $fit of " . @$ways;
    }
    my %types = map { $_ => 1 } ref $schema->{type} ? @{ $schema->{type} } : $schema->{type} // return;
    return $types{null} ? () : "$at is null" if !defined $value;
    my $type = ref $value eq 'HASH' ? 'object' : ref $value eq 'ARRAY' ? 'array' : JSON::PP::is_bool($value) ? 'boolean'
        : encode_json([$value]) =~ /^\["/ ? 'string' : 'integer';
    return "$at is $type" if !$types{$type};
    my @bad;
    push @bad, "$at is no word" if $schema->{enum} && !grep { defined && $_ eq $value } @{ $schema->{enum} };
    push @bad, "$at is no time" if ($schema->{format} // '') eq 'date-time' && $value !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
    push @bad, "$at is too small" if defined $schema->{minimum} && $value < $schema->{minimum};
    push @bad, map { misfits($schema->{items}, $value->[$_], "$at/$_") } 0 .. $#$value if $type eq 'array';
    if ($type eq 'object') {
        push @bad, map { "$at/$_ is missing" } grep { !exists $value->{$_} } @{ $schema->{required} };
        push @bad, map { misfits($schema->{properties}{$_}, $value->{$_}, "$at/$_") } grep { $schema->{properties}{$_} } keys %$value;
    }
    return @bad;
}

sub fits
{
    my ($method, $path, $reply) = @_;
    my ($template) = grep { my $t = quotemeta =~ s{\\\{\w+\\\}}{[^/]+}gr; $path =~ m{^$t(?:\?|$)} }
        sort { ($a =~ /\{/) <=> ($b =~ /\{/) } keys %{ $doc->{paths} };
    my $content = $doc->{paths}{$template}{ lc $method }{responses}{200}{content}{'application/json'}{schema};
    my @bad = misfits($content, $reply->{json}, '');
    return is("$reply->{status} @bad", '200 ', "$method $path fits $template");
}

sub send_alert
{
    my (%more) = @_;
    my $body = encode_json({ asset_name => $target->{assets}[0], signature => 'service_down:nginx', severity => 'critical',
        message => 'it is down', tool_source => 'Datadog', %more });
    return HTTP::Tiny->new->post($stack->url("/api/webhooks/alerts?api_key=$target->{api_key}"),
        { headers => { 'Content-Type' => 'application/json', sign($target->{hmac_secret}, $body) }, content => $body });
}

is(scalar(misfits({ type => 'object', required => ['a'], properties => { b => { type => 'integer' } } }, { b => 'x' }, '')), 2,
    'the judge finds what is wrong');

# How-to: the first alerts, and what becomes of them.
for my $n (1 .. 3) {
    is(send_alert(signature => "kind-$n", severity => 'low')->{status}, 200, 'an alert');
    is(send_alert(message => "it is down, $n")->{status}, 200, 'a critical one');
}
$stack->drained;
fits('GET', $_, $stack->api('GET', $_)) for '/api/alerts', '/api/alerts?limit=2', '/api/dead-letters', '/api/dead-letters?limit=2', '/api/notifications', '/api/notifications?limit=2', '/api/audit-logs', '/api/audit-logs?limit=2', "/api/audit-logs/verify?company_id=$company", '/api/incidents', '/api/incidents?limit=2',
    '/api/companies', '/api/companies?limit=1', "/api/companies/$company", "/api/companies/$company/assets",
    "/api/companies/$company/correlation-config", "/api/companies/$company/rate-limit",
    "/api/companies/$company/webhook-security", "/api/companies/$company/api-keys", '/api/auth/me', '/api/events', '/api/events?limit=1', '/healthz', '/readyz';
my $alerts = $stack->api('GET', '/api/alerts')->{json};
my $incidents = $stack->api('GET', '/api/incidents')->{json};
is(scalar @$alerts, 6, 'all alerts are there');
is(scalar @$incidents, 1, 'a critical one makes an incident');
is($incidents->[0]{alert_count}, 3, 'which the others join');
my $id = $incidents->[0]{id};
fits('GET', $_, $stack->api('GET', $_)) for "/api/alerts/$alerts->[0]{id}", "/api/incidents/$id", "/api/incidents/$id/alerts";

# How-to: the API key is copied once more.
my ($key) = @{ $stack->api('GET', "/api/companies/$company/api-keys")->{json} };
my $revealed = $stack->api('POST', "/api/companies/$company/api-keys/$key->{id}/reveal");
fits('POST', "/api/companies/$company/api-keys/$key->{id}/reveal", $revealed);
is($revealed->{json}{api_key}, $target->{api_key}, 'and it is the one that tools use');

# How-to: correlation.
is($stack->api('GET', "/api/companies/$company/correlation-config")->{json}{aggregation_key}, 'asset|signature', 'the default key');
my $reply = $stack->api('PUT', "/api/companies/$company/correlation-config", { time_window_minutes => 10, auto_correlate => JSON::PP::true });
is($reply->{json}{time_window_minutes}, 10, 'the configuration is changed');
$reply = $stack->api('POST', "/api/incidents/correlate?company_id=$company");
fits('POST', '/api/incidents/correlate', $reply);
is(join(',', sort keys %{ $reply->{json} }), 'alerts_correlated,incidents_created,incidents_updated', 'and nothing else');

# The bell rang once for the three critical ones, and is read.
my ($bell) = @{ $stack->api('GET', '/api/notifications?read=false')->{json} };
is("$bell->{type} $bell->{count}", 'critical_alert 3', 'one notification for all of a kind');
fits('PUT', $_, $stack->api('PUT', $_)) for "/api/notifications/$bell->{id}/read", "/api/notifications/read-all?company_id=$company";
is(scalar @{ $stack->api('GET', '/api/notifications?read=false')->{json} }, 0, 'nothing is unread');

# An incident is worked on.
$reply = $stack->api('PUT', "/api/incidents/$id/status", { status => 'in_progress' });
fits('PUT', "/api/incidents/$id/status", $reply);
$reply = $stack->api('PUT', "/api/incidents/$id/status", { status => 'new' });
is($reply->{status}, 409, 'a change that the life does not know');
is($reply->{headers}{'content-type'}, 'application/problem+json', 'is told as a problem');
is(scalar(misfits($doc->{components}{schemas}{problem}, $reply->{json}, '')), 0, 'of the form that is described');
like($reply->{json}{detail}, qr/in_progress.*new/, 'with both states');

# Who is not signed in.
$reply = HTTP::Tiny->new->get($stack->url('/api/alerts'));
is("$reply->{status} " . decode_json($reply->{content})->{detail}, '401 Not authenticated', 'no token, no list');
$reply = HTTP::Tiny->new->post($stack->url('/api/auth/login'),
    { headers => { 'Content-Type' => 'application/json' }, content => '{"email":"admin@example.com","password":"password123"}' });
is($reply->{status}, 401, 'there is no password that everybody knows');

is($stack->log_trouble, '', 'nothing broke');
done_testing;
