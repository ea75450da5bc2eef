#!/usr/bin/env perl
# Two companies that look alike: same asset names, signatures and delivery ids, sent interleaved. Nothing of one is in any
# answer given to a user of the other, a foreign id answers like one that does not exist, and no secret is in any log.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(sign);
use AW::Stack;
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(encode_base64);
use Test::More;

my $h2 = AW::Stack::free_port();
my $stack = AW::Stack->new(assets => 1, worker_conf => 'log_level = "debug"',
    conf => 'log_format everything \'$request|$request_uri|$args|$http_referer|$alertwhisper_company|$alertwhisper_reason\';');
$stack->{server} = "listen 127.0.0.1:$h2 http2; access_log $stack->{dir}/logs/access.log combined;"
    . " access_log $stack->{dir}/logs/everything.log everything;";
$stack->write_conf;
$stack->setup;

# --- the same names on both sides, and canaries where a text may differ ---
my %canary = (1 => 'CANARY-OF-ONE-7f3a', 2 => 'CANARY-OF-TWO-94be');
my @asset = map { "twin-$_" } 1 .. 4;
my (@companies, @users);
for my $c (1, 2) {
    push @companies, { id => "comp-$c", name => "$canary{$c} company",
        assets => [(map { { name => $_ } } @asset), { name => "$canary{$c} asset", type => "$canary{$c} type", os => "$canary{$c} os" }],
        runbooks => [{ name => "$canary{$c} runbook", signature => "$canary{$c} signature", risk_level => 'low' }] };
    push @users, map { { email => lc "$_.$canary{$c}\@example.com", name => "$canary{$c} $_", role => $_,
        company_ids => ["comp-$c"], password => "secret-$_-of-$c-Zk3" } } qw(viewer technician company_admin);
}
AW::Stack::spew("$stack->{dir}/twins.json", encode_json({ companies => \@companies, users => \@users }));
$stack->run_worker_command('apply', "$stack->{dir}/twins.json");
$stack->start;

my @loads;
for my $c (1, 2) {
    my $target = "$stack->{dir}/target.$c.json";
    $_->{company_id} eq "comp-$c" and AW::Stack::spew($target, encode_json({ port => $stack->{port} + 0, companies => [{ %$_, assets => \@asset }] }))
        for @{ $stack->{targets} };
    push @loads, $stack->load_start(target => $target, seed => 77, count => $ENV{AW_SHORT} ? 200 : 600, connections => 8, copies => 2);
}
my @sent = map { $stack->load_wait($_) } @loads;
is $sent[$_]{acked} - $sent[$_]{duplicates}, $sent[$_]{deliveries}, 'company ' . ($_ + 1) . ': no delivery is a repeat of the other company\'s' for 0, 1;
my @id = map { my $l = $_; [sort map { (split / /)[3] } split /\n/, AW::Stack::slurp($l->{ledger})] } @loads;
is $id[0][0], $id[1][0], 'the delivery ids were the same';

sub send_alert {
    my ($c, $query, %o) = @_;
    my ($target) = grep { $_->{company_id} eq "comp-$c" } @{ $stack->{targets} };
    my $body = $o{body} // encode_json({ asset_name => $o{asset} // "$canary{$c} asset", signature => "$canary{$c} signature",
        severity => 'critical', message => "$canary{$c} message", tool_source => "$canary{$c} tool" });
    my %sign = sign($target->{hmac_secret}, $body);
    return HTTP::Tiny->new->post($stack->url(($o{path} // '/api/webhooks/alerts') . $query), { content => $body, headers => {
        'Content-Type' => 'application/json', 'X-Delivery-ID' => $o{id} // "$canary{$c}-delivery", %sign,
        ($query =~ /key/i ? () : ('X-API-Key' => $target->{api_key})) } });
}
my %key = map { substr($_->{company_id}, -1) => $_->{api_key} } @{ $stack->{targets} };
is send_alert($_, '')->{status}, 200, "company $_: canaries in every text" for 1, 2;
$stack->drained;
my $figures = $stack->ledger;
is $figures->{$_}, 0, "ledger: $_" for qw(lost duplicated corrupt recount);
is $figures->{unexpected}, 2, 'ledger: two more than the load sent';

# --- every GET route, as every user, with the other company's ids ---
sub ids_of {
    my ($c) = @_;
    my $list = sub { map { $_->{id} } @{ $stack->api(GET => $_[0])->{json} // [] } };
    return { alerts => [($list->("/api/alerts?company_id=comp-$c"))[0, 1]], incidents => [$list->("/api/incidents?company_id=comp-$c")],
        companies => ["comp-$c"], assets => [$list->("/api/companies/comp-$c/assets")] };
}
my %ids = map { $_ => ids_of($_) } 1, 2;
cmp_ok scalar @{ $ids{$_}{incidents} }, '>=', 2, "company $_ has incidents" for 1, 2;
my $cursor = $stack->api(GET => '/api/alerts?company_id=comp-1&limit=5')->{json}{next_cursor};
my $doc = $stack->api(GET => '/api/openapi.json')->{json};

# What of the other company is in an answer.
my %foreign = map { my $c = $_; $c => [$canary{$c}, lc $canary{$c}, (map { @$_ } @{ $ids{$c} }{qw(alerts incidents assets)}), "comp-$c\"", $key{$c}] } 1, 2;
sub leaks { my ($answer, $c) = @_; return grep { index("$answer->{content}", $_) >= 0 } @{ $foreign{$c} } }
sub bare { my ($answer) = @_; return "$answer->{status} " . $answer->{content} =~ s/"request_id":"[^"]*"//r }

my (@leaks, @differ, @open, $walked);
for my $user (@users) {
    my $mine = substr $user->{company_ids}[0], -1;
    my $other = 3 - $mine;
    local $stack->{token} = $stack->token($user->{email}, $user->{password});
    my $ask = sub {
        my ($method, $path, $body) = @_;
        my $answer = $stack->api($method, $path, $body);
        $walked++;
        push @leaks, map { "$user->{role} of $mine: $method $path: $_" } leaks($answer, $other);
        push @open, "$method $path: $answer->{status}" if $answer->{status} >= 500 && $path ne '/readyz';
        return $answer;
    };
    for my $path (sort keys %{ $doc->{paths} }) {
        my $object = $path =~ m{^/api/(\w+)/\{id\}} ? $1 : undef;
        for my $method (map { uc } grep { /^(?:get|put|post)$/ } sort keys %{ $doc->{paths}{$path} }) {
            next if $path eq '/api/auth/login';
            if (!$object) {
                my $query = $method eq 'POST' ? "company_id=comp-$other" : '';
                $ask->($method, "$path?$query", $method eq 'GET' ? undef : {});
                next if $method ne 'GET';
                $ask->($method, "$path?$_") for "company_id=comp-$other", 'limit=500', 'limit=5&cursor=' . ($cursor // ''), 'after=0',
                    "company_id=comp-$other&status=active", "asset_name=$asset[0]", 'signature=sig_1';
                next;
            }
            my $missing = $ask->($method, $path =~ s/\{id\}/no-such-id/r, $method eq 'GET' ? undef : {});
            for my $id (@{ $ids{$other}{$object} // [] }) {
                my $answer = $ask->($method, $path =~ s/\{id\}/$id/r, $method eq 'GET' ? undef : {});
                push @differ, "$user->{role}: $method $path: " . bare($answer) . ' against ' . bare($missing) if bare($answer) ne bare($missing);
            }
        }
    }
    my $own = $ask->('GET', '/api/alerts?limit=500');
    cmp_ok scalar @{ $own->{json}{items} // [] }, '>=', 200, "$user->{role} of $mine sees its own alerts";
}
is_deeply \@leaks, [], "nothing of one company in $walked answers to the other";
is_deeply \@differ, [], 'a foreign id is answered like a missing one, byte for byte';
is_deeply \@open, [], 'no answer is a failure of the server';
cmp_ok $walked, '>', 200, 'routes were walked';

# --- secrets: drive every kind of answer, with the key in the query too, then read all logs ---
my %status = (
    200 => sub { send_alert(1, "?api_key=$key{1}", id => 'q1') },
    400 => sub { send_alert(1, "?a=1&API_KEY=$key{1}&b=2", body => '{nonsense') },
    401 => sub { send_alert(1, "?api_key=$key{1}x", id => 'q2') },
    404 => sub { send_alert(1, "?api_key=$key{1}", asset => 'nowhere') },
    405 => sub { HTTP::Tiny->new->get($stack->url("/api/webhooks/alerts?api_key=$key{1}")) },
    413 => sub { send_alert(1, "?api_key=$key{1}", body => 'x' x 70000) },
    422 => sub { send_alert(1, "?api_key=$key{1}", body => '{"asset_name":"twin-1"}') },
);
is $status{$_}->()->{status}, $_, "key in the query: $_" for sort keys %status;
send_alert(1, "?api_key=$key{1}", path => '/api/nowhere');
for my $extra ([], ['--data-binary', '{nonsense'], ['--data-binary', 'x' x 70000]) {
    system('curl', '-s', '-o', '/dev/null', '--http2-prior-knowledge', '-H', 'Content-Type: application/json', @$extra,
        "http://127.0.0.1:$h2/api/webhooks/alerts?api_key=$key{1}");
}
$stack->api(POST => '/api/auth/login', { email => $users[0]{email}, password => "$users[0]{password}-wrong" });
$stack->api(POST => '/api/auth/login', { email => $users[0]{email}, password => ["$users[0]{password}-wrong"] });
$stack->api(GET => '/api/alerts', undef, { Authorization => "Bearer $stack->{token}x" });
my $secret = $stack->api(POST => '/api/companies/comp-1/webhook-security/enable', {})->{json}{hmac_secret};
ok $secret, 'a new HMAC secret';
# The worker is away: nginx complains about its upstream with the request line.
$stack->end_worker;
my $away = $stack->api(GET => '/api/alerts');
is $away->{status}, 502, 'the worker is away';
is send_alert(2, "?api_key=$key{2}", id => 'late')->{status}, 200, 'and alerts are taken';
$stack->start_worker->ready;
$stack->drained;
$stack->end_worker;
$stack->stop_nginx;
my $master = AW::Stack::slurp("$stack->{dir}/data/master.key");
my %hidden = (
    (map { ("API key of $_" => $key{$_}) } 1, 2),
    (map { ("HMAC secret of $_->{company_id}" => $_->{hmac_secret}) } @{ $stack->{targets} }), 'new HMAC secret' => $secret,
    (map { ("password of $_->{email}" => $_->{password}) } @users, $stack->{admin}), 'wrong password' => "$users[0]{password}-wrong",
    'access token' => $stack->{token}, 'master key' => $master, 'master key, hex' => unpack('H*', $master),
    'master key, base64' => encode_base64($master, '') =~ s/=+$//r, 'master key, base64url' => encode_base64($master, '') =~ tr{+/}{-_}r =~ s/=+$//r,
);
my @files = grep { !m{/(?:ledger|command)\.err$} } glob "$stack->{dir}/logs/*";
my $bytes = 0;
for my $file (@files) {
    my $text = AW::Stack::slurp($file);
    $bytes += length $text;
    is_deeply [grep { index(lc $text, lc $hidden{$_}) >= 0 } sort keys %hidden], [], "no secret in $file";
}
cmp_ok $bytes, '>', 10000, 'the logs were not empty';
like AW::Stack::slurp("$stack->{dir}/logs/everything.log"), qr/comp-1/, 'the access log tells the company';
is $stack->log_trouble, '', 'no trouble in the logs';
done_testing;
