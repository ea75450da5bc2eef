# API keys stay out of every log, and the variables tell what became of a delivery.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json request_bytes exchange);
use AW::Nginx;

my $upstream = AW::Nginx::free_port();
my $nginx = AW::Nginx->new(
    workers => 1, # so that the lines come in the order of the requests
    http => <<"CONF",
    log_format verdict '\$uri|\$alertwhisper_verdict|\$alertwhisper_company|\$alertwhisper_alert_id|\$alertwhisper_reason';
    log_format all '\$request|\$request_uri|\$args|\$query_string|\$is_args';
    server { listen 127.0.0.1:$upstream; access_log off; location / { return 200 "upstream got \$args\\n"; } }
CONF
    server    => 'access_log logs/access.log combined; access_log logs/verdict.log verdict; access_log logs/all.log all;',
    locations => <<"CONF",
            location = /alerts { alertwhisper_ingest; alertwhisper_ack memory; }
            location = /disk   { alertwhisper_ingest; }
            location = /dry    { alertwhisper_ingest; alertwhisper_dry_run on; }
            location = /header { alertwhisper_ingest; alertwhisper_query_key off; }
            location = /moved  { return 302 /elsewhere; }
            location = /absent { root /nonexistent; }
            location = /proxy  { proxy_pass http://127.0.0.1:$upstream; }
            location = /status { alertwhisper_status; }
CONF
);
$nginx->start;
my $KEY = 'canary-key-of-acme';
$nginx->table("company acme\nkey $KEY\nasset srv-1\n");
push @{ $nginx->{secrets} }, 'canary-unknown-key', 'canary-encoded', 'canary-second';

my $n = 0;
my @queries = ("api_key=$KEY", "x=1&api_key=$KEY&y=2", "API_KEY=$KEY", "Api_Key=$KEY", "api_key=$KEY&api_key=canary-second", 'api_key=canary-unknown-key', 'api_key=canary%2Dencoded&z', "other_api_key=$KEY", 'x=api_key=canary-second');
for my $path (qw(/alerts /disk /dry /header /moved /absent /proxy /nowhere)) {
    $nginx->request('POST', "$path?$_", ['Content-Type' => 'application/json'], alert_json(message => 'n' . $n++)) for @queries;
    $nginx->request('GET', "$path?$_", []) for @queries;
}
# error.log lines in the context of such a request
exchange($nginx->port, [request_bytes('POST', "/alerts?api_key=$KEY", ['Transfer-Encoding' => 'chunked']), "zz\r\n\r\n"]);
like($nginx->log_text, qr/client sent invalid chunked body.*request: "POST \/alerts\?api_key=\*+ HTTP\/1\.1"/, 'error log: the request line is masked');
like($nginx->log_text, qr/"\/nonexistent\/absent" failed.*request: "GET \/absent\?x=1&api_key=\*+&y=2 /, 'error log: what is around it stays');

# HTTP/2
my $h2 = $nginx->h2port;
my ($status, $text) = AW::Nginx::run('curl', '-s', '--http2-prior-knowledge', '-d', alert_json(message => 'h2'), '-H', 'Content-Type: application/json', "http://127.0.0.1:$h2/alerts?api_key=$KEY");
like($text, qr/"alert_id"/, 'HTTP/2: taken');
AW::Nginx::await('the HTTP/2 request is logged', sub { $nginx->log_text('access.log') =~ /HTTP\/2\.0/ });
like($nginx->log_text('access.log'), qr/"POST \/alerts\?api_key=\*+ HTTP\/2\.0" 200/, 'HTTP/2: masked');

like($nginx->log_text('access.log'), qr/"POST \/alerts\?x=1&api_key=\*+&y=2 HTTP\/1\.1" 200/, 'access log: masked, the rest stays');
like($nginx->log_text('all.log'), qr/^GET \/proxy\?api_key=\*+ HTTP\/1\.1\|\/proxy\?api_key=\*+\|api_key=\*+\|api_key=\*+\|\?$/m, 'access log: every variable is masked');
is($nginx->request('GET', "/proxy?api_key=$KEY&x", [])->{body}, "upstream got api_key=$KEY&x\n", 'an upstream gets what the client sent');

my $answer = $nginx->post(alert_json(message => 'last'), 'X-API-Key' => $KEY);
my $id = $answer->{json}{alert_id};
$nginx->post(alert_json(message => 'last'), 'X-API-Key' => $KEY);
$nginx->post(alert_json(severity => 'none'), 'X-API-Key' => $KEY);
$nginx->post(alert_json(asset_name => 'none'), 'X-API-Key' => $KEY);
$nginx->post(alert_json());
$nginx->post(alert_json(), 'X-API-Key' => 1, 'X-API-Key' => 2);
$nginx->post_to('/dry', alert_json(), 'X-API-Key' => $KEY);
$nginx->post_to('/disk', alert_json(message => 'disk'), 'X-API-Key' => $KEY);
$nginx->request('GET', '/status', []);
my @lines;
AW::Nginx::await('the last request is logged', sub { @lines = split /\n/, $nginx->log_text('verdict.log'); $lines[-1] =~ m{^/status} });
is(join("\n", @lines[-9 .. -1]) =~ s/(disk\|accepted\|acme\|)[0-9a-f-]{36}/$1ID/r, <<"LINES" =~ s/\n\z//r, 'the variables');
/alerts|accepted|acme|$id|-
/alerts|duplicate|acme|$id|-
/alerts|invalid_field|acme|-|severity
/alerts|asset_not_found|acme|-|-
/alerts|invalid_api_key|-|-|-
/alerts|header_repeated|-|-|X-API-Key
/dry|dry_run|acme|-|-
/disk|accepted|acme|ID|-
/status|-|-|-|-
LINES

subtest 'USR1 reopens the logs' => sub {
    my $log = $nginx->dir . '/logs/access.log';
    rename $log, "$log.1" or die $!;
    $nginx->signal('USR1');
    AW::Nginx::await('a new access log', sub { -e $log });
    AW::Nginx::await('lines in it', sub { $nginx->post(alert_json(message => 'n' . $n++), 'X-API-Key' => $KEY); -s $log });
    ok(-s $log, 'the new file has lines');
};

subtest 'dry run' => sub {
    my $before = () = $nginx->records;
    my $dry = $nginx->post_to('/dry', alert_json(message => 'dry'), 'X-API-Key' => $KEY);
    is($dry->{status}, 200, 'answers 200');
    is($dry->{json}{dry_run}, JSON::PP::true, 'says that it is one');
    is($nginx->post_to('/dry', alert_json(asset_name => 'none'), 'X-API-Key' => $KEY)->{status}, 404, 'refuses what would be refused');
    is(scalar(() = $nginx->records), $before, 'queues nothing');
    is($nginx->post(alert_json(message => 'dry'), 'X-API-Key' => $KEY)->{json}{duplicate}, undef, 'and leaves no key behind');
};

$nginx->finish;
done_testing;
