# The shipped configuration: it passes nginx -t, its snippets work together, and what nginx refuses by itself has
# the form of the API.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json request_bytes exchange);
use AW::Nginx;
use File::Temp qw(tempdir);

my $CONF = "$AW::Nginx::TOP/conf/nginx";
my $KEY  = 'key-of-acme-0001';
my $API  = AW::Nginx::free_port();

# The site as it is shipped, with the paths and ports of this machine.
sub site
{
    my ($nginx, $name) = @_;
    my $dir  = $nginx->dir;
    my $text = AW::Nginx::slurp("$CONF/$name");
    $text =~ s{load_module \S+;\n}{};
    $text =~ s{^(?:user|pid|error_log) .*\n}{}mg;
    $text =~ s{worker_processes auto;}{%%GLOBALS%%\nworker_processes 2;};
    $text =~ s{worker_rlimit_nofile \d+;}{};
    $text =~ s{worker_connections \d+;}{worker_connections 512;};
    $text =~ s{include /etc/nginx/mime.types;}{%%HTTP_GLOBALS%%};
    $text =~ s{access_log /var/log/nginx/access.log}{access_log logs/site.log};
    $text =~ s{include snippets/}{include $dir/snippets/}g;
    $text =~ s{/etc/alertwhisper/tls}{$dir}g;
    $text =~ s{server unix:/run/alertwhisper/api.sock;}{server 127.0.0.1:$API;};
    $text =~ s{listen 80 }{listen 127.0.0.1:%%PORT%% }g;
    $text =~ s{listen 443 }{listen 127.0.0.1:%%PORT2%% }g;
    mkdir "$dir/snippets";
    for my $file (glob "$CONF/snippets/*.conf") {
        my $snippet = AW::Nginx::slurp($file);
        $snippet =~ s{/var/lib/alertwhisper/alerts.queue 256m ids=1m}{data/alerts.queue 4m ids=16k};
        $snippet =~ s{/run/alertwhisper/edge.table 64m}{run/edge.table 1m};
        AW::Nginx::spew("$dir/snippets/" . ($file =~ s{.*/}{}r), $snippet);
    }
    return $text;
}

my $nginx = AW::Nginx->new;
$nginx->{conf} = site($nginx, 'nginx.conf');
$nginx->start;

sub json_like
{
    my ($name, $answer, $status, $code) = @_;
    is($answer->{status}, $status, "$name: $status") or diag explain $answer;
    is($answer->{headers}{'content-type'}, 'application/json', "$name: JSON");
    is($answer->{json}{code}, $code, "$name: code $code");
    isnt($answer->{json}{detail} // '', '', "$name: words");
    return $answer;
}

my $path = '/api/webhooks/alerts';
my $answer = json_like('no edge table yet', $nginx->post_to($path, alert_json(), 'X-API-Key' => $KEY), 503, 'not_ready');
is($answer->{headers}{'retry-after'}, 5, 'with Retry-After');
$nginx->table("company acme\nkey $KEY\nasset srv-1\n");
is($nginx->post_to($path, alert_json(), 'X-API-Key' => $KEY)->{json}{durability}, 'disk', 'an alert is taken');
is($nginx->post_to("$path/dry-run", alert_json(), 'X-API-Key' => $KEY)->{json}{dry_run}, JSON::PP::true, 'the dry run answers');
is($nginx->request('GET', '/edge/status', [])->{json}{status}, 'ready', 'the status answers');
is($nginx->request('GET', $_, [])->{status}, 502, "$_ is proxied") for '/api/alerts', '/healthz', '/readyz', '/metrics';

json_like('a body over the limit of the module', $nginx->post_to($path, 'x' x 70000, 'X-API-Key' => $KEY), 413, 'body_too_large');
json_like('a body over the limit of nginx', $nginx->post_to($path, 'x' x 140000, 'X-API-Key' => $KEY), 413, 'body_too_large');
json_like('chunks over the limit of nginx', scalar exchange($nginx->port, [request_bytes('POST', $path, ['Transfer-Encoding' => 'chunked']), map({ "8000\r\n" . 'x' x 32768 . "\r\n" } 1 .. 5)]), 413, 'body_too_large');
json_like('chunks that are none', scalar exchange($nginx->port, [request_bytes('POST', $path, ['Transfer-Encoding' => 'chunked']), "zz\r\n"]), 400, 'bad_request');
json_like('a request that is none', scalar exchange($nginx->port, ["POST $path HTTP/1.1\r\nbad header line\x01\r\n\r\n"]), 400, 'bad_request');
json_like('no host', scalar exchange($nginx->port, ["POST $path HTTP/1.1\r\n\r\n"]), 400, 'bad_request');
json_like('a URI too long', $nginx->request('GET', '/' . 'x' x 9000, []), 414, 'uri_too_long');
json_like('a header too large', $nginx->request('GET', $path, ['X-Large' => 'x' x 9000]), 400, 'header_too_large');

AW::Nginx::await('log lines', sub { $nginx->log_text('site.log') =~ /header_too|414/ });
my $log = $nginx->log_text('site.log');
like($log, qr/"POST \Q$path\E" 200 .* verdict=accepted company=acme alert=[0-9a-f-]{36} reason="-"/, 'the access log tells what became of an alert');
unlike($log, qr/\?/, 'and shows no query');
$nginx->finish;

SKIP: {
    my $tls = AW::Nginx->new;
    my $dir = $tls->dir;
    my ($status, $text) = AW::Nginx::run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', 2, '-keyout', "$dir/privkey.pem", '-out', "$dir/fullchain.pem");
    skip 'no openssl', 5 if $status;
    $tls->{conf} = site($tls, 'nginx-tls.conf');
    $tls->start;
    $tls->table("company acme\nkey $KEY\nasset srv-1\n");
    my @curl = ('curl', '-sS', '--cacert', "$dir/fullchain.pem", '--resolve', 'localhost:' . $tls->h2port . ':127.0.0.1', '-H', "X-API-Key: $KEY", '-H', 'Content-Type: application/json', '-w', ' %{http_version} %{http_code}');
    my $url = 'https://localhost:' . $tls->h2port . $path;
    ($status, $text) = AW::Nginx::run(@curl, '-d', alert_json(), $url);
    like($text, qr/"durability":"disk".* 2 200\z/s, 'TLS: an alert over HTTP/2');
    ($status, $text) = AW::Nginx::run(@curl, '--http1.1', '-d', alert_json(message => 'h1'), $url);
    like($text, qr/"durability":"disk".* 1\.1 200\z/s, 'TLS: an alert over HTTP/1.1');
    is($tls->post_to($path, alert_json(), 'X-API-Key' => $KEY)->{status}, 403, 'in the clear it is refused');
    is($tls->request('GET', '/', [])->{status}, 301, 'and a browser is sent to TLS');
    $tls->finish;
}

done_testing;
