#!/usr/bin/env perl
# Schemathesis, an independent judge of HTTP APIs, sends what our description allows and what it does not: nothing may
# answer 5xx, and every answer has a status, a media type and a body that the description knows; what breaks the description is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign);
use AW::Stack;
use HTTP::Tiny;
use JSON::PP qw(encode_json);
use Test::More;

my $tool = ($ENV{XDG_CACHE_HOME} // "$ENV{HOME}/.cache") . '/alertwhisper/python/bin/schemathesis';
-x $tool or BAIL_OUT("$tool is not there: run scripts/bootstrap test");

my $stack = AW::Stack->new(companies => 2, assets => 2)->start;
my ($target) = @{ $stack->{targets} };
my $company = $target->{company_id};
for my $n (1 .. 4) {
    my $body = encode_json({ asset_name => $target->{assets}[0], signature => 'service_down:nginx', severity => 'critical',
        message => "it is down, $n", tool_source => 'Datadog' });
    my $reply = HTTP::Tiny->new->post($stack->url("/api/webhooks/alerts?api_key=$target->{api_key}"),
        { headers => { 'Content-Type' => 'application/json', sign($target->{hmac_secret}, $body) }, content => $body });
    is($reply->{status}, 200, 'an alert');
}
$stack->drained;

# Ids that are there, so that most requests reach what they are about.
my %id = map { my ($row) = @{ $stack->api('GET', "/api/$_")->{json} }; $_ => $row->{id} } qw(alerts incidents notifications);
$id{companies} = $company;
my ($key) = @{ $stack->api('GET', "/api/companies/$company/api-keys")->{json} };
my $doc = $stack->api('GET', '/api/openapi.json')->{json};
for my $path (keys %{ $doc->{paths} }) {
    my ($object) = $path =~ m{^/api/([\w-]+)};
    for my $parameter (map { @{ $_->{parameters} } } values %{ $doc->{paths}{$path} }) {
        my $real = !$parameter->{required} ? undef : $parameter->{name} eq 'company_id' ? $company : $parameter->{name} eq 'key_id' ? $key->{id}
            : $parameter->{in} eq 'path' ? $id{$object} : undef;
        $parameter->{schema} = { enum => [$real] } if defined $real;
        # In a query everything is a string, so that none can be of another type.
        delete $parameter->{schema}{type} if $parameter->{in} eq 'query' && ($parameter->{schema}{type} // '') eq 'string';
    }
}
open my $file, '>', "$stack->{dir}/openapi.json" or die;
print $file encode_json($doc);
close $file or die;

# One worker, and nothing at random: the same requests each time. Left out: that whatever the description allows is accepted (a cursor is
# any text there, and a key may have been used), and what nginx itself says to TRACE.
my $out = qx{cd $stack->{dir} && timeout 240 $tool run openapi.json --url ${\$stack->url('')} -H 'Authorization: Bearer $stack->{token}' \\
    --checks all --exclude-checks positive_data_acceptance,unsupported_method,use_after_free,ensure_resource_availability \\
    --phases examples,coverage,fuzzing --exclude-path /api/auth/login --workers 1 --max-examples 4 --max-time 50 \\
    --generation-deterministic --request-timeout 10 --no-color 2>&1};
is($?, 0, 'schemathesis finds nothing') or diag $out;
my ($tested) = $out =~ /Tested:\s+(\d+)/;
is($tested, (map { values %$_ } values %{ $doc->{paths} }) - 1, 'every operation but the sign-in was tested') or diag $out;
my ($cases) = $out =~ /Test cases:\s*\n?\s*(\d+)/;
cmp_ok($cases // 0, '>', 200, 'with many requests') or diag $out;
is($stack->api('GET', '/readyz')->{status}, 200, 'and the product works on');
is($stack->log_trouble, '', 'nothing broke');
done_testing;
