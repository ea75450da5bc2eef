#!/usr/bin/env perl
# What the API keeps and counts beside alerts, on MongoDB: keyed requests, the audit chain, API keys, the bell.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use AW::HTTP qw(sign);
use AW::Mongo;
use AW::Stack;
use HTTP::Tiny;
use JSON::PP qw(decode_json encode_json);
use Test::More;

for my $kind (AW::Mongo->kinds) {
    subtest $kind => sub {
        my $server = AW::Mongo->start($kind);
        my $stack = AW::Stack->new(store => $server->database('alertwhisper'))->start;
        my ($target, $other) = @{ $stack->{targets} };
        my $company = $target->{company_id};
        my $body = encode_json({ asset_name => $target->{assets}[0], signature => 'down', severity => 'critical', message => 'm', tool_source => 'Zabbix' });
        my $reply = HTTP::Tiny->new->post($stack->url("/api/webhooks/alerts?api_key=$target->{api_key}"),
            { headers => { 'Content-Type' => 'application/json', sign($target->{hmac_secret}, $body) }, content => $body });
        is($reply->{status}, 200, 'an alert');
        $stack->drained;

        my ($first, $again) = map { $stack->api('POST', "/api/companies/$company/webhook-security/enable", undef, { 'Idempotency-Key' => 'k' }) } 1 .. 2;
        is($first->{status}, 200, 'a keyed request');
        is($again->{content}, $first->{content}, 'gets the same answer again');
        is($stack->api('POST', "/api/companies/$other->{company_id}/webhook-security/enable", undef, { 'Idempotency-Key' => 'k' })->{status},
            422, 'its key is good for nothing else');

        my ($key) = @{ $stack->api('GET', "/api/companies/$company/api-keys")->{json} };
        is($stack->api('POST', "/api/companies/$company/api-keys/$key->{id}/reveal")->{json}{api_key}, $target->{api_key}, 'an API key is copied');
        my ($bell) = @{ $stack->api('GET', '/api/notifications?read=false')->{json} };
        is($stack->api('PUT', "/api/notifications/$bell->{id}/read")->{json}{read}, 1, 'a notification is read');
        is_deeply($stack->api('PUT', "/api/notifications/read-all?company_id=$company")->{json}, { marked => 0, more => JSON::PP::false }, 'no other is unread');
        is_deeply($stack->api('GET', '/api/dead-letters')->{json}, [], 'there are no dead letters');

        for my $chain ($company, $other->{company_id}, '-') {
            my $verdict = $stack->api('GET', "/api/audit-logs/verify?company_id=$chain")->{json};
            is("$verdict->{holds} $verdict->{bad}", '1 0', "chain $chain holds");
            my @lines = split /\n/, $stack->api('GET', "/api/audit-logs/export?company_id=$chain")->{content};
            is(scalar @lines, $verdict->{rows} + 1, 'and is exported with its checkpoint');
            is_deeply([map { decode_json($_)->{number} } @lines[0 .. $#lines - 1]], [1 .. $verdict->{rows}], 'in order');
        }
        my @acts = map { $_->{action} } @{ $stack->api('GET', "/api/audit-logs?company_id=$company&limit=3")->{json}{items} };
        is("@acts", 'notifications.read notification.read api_key.revealed', 'every act is there once');
        cmp_ok(scalar(grep { /"event":"audit.checkpoint"/ } split /\n/, AW::Stack::slurp("$stack->{dir}/logs/worker.log")), '>=', 3, 'checkpoints are in the log');
        is($stack->log_trouble, '', 'no trouble in the logs');
    };
}
done_testing;
