# alertwhisper_status: JSON, Prometheus text that promtool accepts, and who asked for which.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json);
use AW::Nginx;

my $nginx = AW::Nginx->new;
$nginx->start;
my $KEY = 'key-of-acme-0001';

my $status = $nginx->status;
is($status->{status}, 'not_ready', 'not ready before the worker has published');
is($status->{table}{generation}, 0, 'generation 0');
$nginx->table("company acme\nkey $KEY\nasset srv-1\n");
$nginx->post(alert_json(message => "n$_"), 'X-API-Key' => $KEY) for 1 .. 3;
$nginx->post(alert_json(message => 'n1'), 'X-API-Key' => $KEY);
$nginx->post_to('/disk', alert_json(message => 'n4'), 'X-API-Key' => $KEY);
$nginx->post(alert_json());

my $answer = $nginx->request('GET', '/status', []);
is($answer->{headers}{'content-type'}, 'application/json', 'JSON by default');
$status = $answer->{json};
is($status->{status}, 'ready', 'ready');
cmp_ok($status->{table}{generation}, '>', 0, 'generation');
is($status->{counters}{accepted}, 4, 'accepted');
is($status->{counters}{duplicates}, 1, 'duplicates');
is($status->{counters}{refused_key}, 1, 'refused_key');
is($status->{sync}{count}, 1, 'one sync');
cmp_ok($status->{sync}{seconds}, '>', 0, 'that took its time');
is($status->{ids}{size}, 16384, 'size of the ids table');
cmp_ok($status->{queue}{used_bytes}, '>=', 5 * 256, 'bytes in the queue');
cmp_ok($status->{queue}{size_bytes}, '>', 4000000, 'of so many');
is($status->{queue}{oldest_seconds} <= 60, 1, 'age of the oldest');

sub metrics { return { map { /^(\w+) (\S+)$/ ? ($1 => $2) : () } split /\n/, $_[0]{body} } }
for my $case (['format', '/status?format=prometheus', []], ['Accept', '/status', [Accept => 'text/plain']],
    ['Accept of Prometheus', '/status', [Accept => 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1']])
{
    my ($name, $path, $headers) = @$case;
    $answer = $nginx->request('GET', $path, $headers);
    like($answer->{headers}{'content-type'}, qr{\Atext/plain; version=0\.0\.4}, "$name: text");
    is(metrics($answer)->{alertwhisper_edge_accepted_total}, 4, "$name: accepted");
    is(metrics($answer)->{alertwhisper_edge_table_generation}, $status->{table}{generation}, "$name: generation");
}
for my $name (keys %{ $status->{counters} }) {
    is(metrics($answer)->{"alertwhisper_edge_${name}_total"}, $status->{counters}{$name}, "$name: the same in both forms");
}
is($nginx->request('GET', '/status?format=json', [Accept => 'text/plain'])->{headers}{'content-type'}, 'application/json', 'the argument wins over the header');
is($nginx->request('GET', '/status?format=xml', [])->{status}, 400, 'another format: 400');
is($nginx->request('POST', '/status', [], 'x')->{status}, 405, 'another method: 405');
$answer = $nginx->request('HEAD', '/status', []);
is($answer->{status}, 200, 'HEAD: 200');
cmp_ok($answer->{headers}{'content-length'}, '>', 100, 'HEAD: with the length');

SKIP: {
    my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
    skip 'no promtool', 1 unless $promtool;
    my $file = $nginx->dir . '/metrics';
    AW::Nginx::spew($file, metrics_text());
    my $text = `promtool check metrics < $file 2>&1`;
    is("$?$text", '0', 'promtool has nothing to say');
}
sub metrics_text { return $nginx->request('GET', '/status?format=prometheus', [])->{body} }

$nginx->finish;
done_testing;
