# The API key in its three places, which one counts, and the switch of the third.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json);
use AW::Nginx;

my $nginx = AW::Nginx->new(locations => <<'CONF');
            location = /alerts { alertwhisper_ingest; alertwhisper_ack memory; }
            location = /header { alertwhisper_ingest; alertwhisper_ack memory; alertwhisper_query_key off; }
            location = /inside { internal; alertwhisper_ingest; alertwhisper_ack memory; }
            location = /rewritten { rewrite ^ /alerts last; }
            location /tried { try_files /no-such-file /inside; }
            location = /limited { limit_except POST { deny all; } alertwhisper_ingest; alertwhisper_ack memory; }
            location = /status { alertwhisper_status; }
CONF
$nginx->start;
my ($KEY, $OTHER) = ('key-of-acme-0001', 'key-of-other-002');
$nginx->table("company acme\nkey $KEY\nkey key/of+acme=3\nasset srv-1\ncompany other\nkey $OTHER\nasset srv-1\n");

my $n = 0;
sub send_it
{
    my ($path, @headers) = @_;
    return $nginx->post_to($path, alert_json(message => 'number ' . $n++), @headers);
}
sub taken_for
{
    my ($company, $name, @request) = @_;
    my $answer = send_it(@request);
    is($answer->{status}, 200, "$name: taken");
    my ($record) = grep { $_->{alert_id} eq ($answer->{json}{alert_id} // '') } $nginx->records;
    is($record->{company}, $company, "$name: for $company");
}

taken_for('acme', 'X-API-Key',              '/alerts', 'X-API-Key' => $KEY);
taken_for('acme', 'x-api-key',              '/alerts', 'x-api-key' => $KEY);
taken_for('acme', 'Bearer',                 '/alerts', Authorization => "Bearer $KEY");
taken_for('acme', 'bearer, more space',     '/alerts', Authorization => "bearer   $KEY");
taken_for('acme', 'query',                  "/alerts?api_key=$KEY");
taken_for('acme', 'query, among others',    "/alerts?x=1&api_key=$KEY&y=2");
taken_for('acme', 'query, name in capitals', "/alerts?API_KEY=$KEY");
taken_for('acme', 'query, encoded',         '/alerts?api_key=key%2Fof%2Bacme%3D3');
taken_for('acme', 'X-API-Key before Bearer', '/alerts', 'X-API-Key' => $KEY, Authorization => "Bearer $OTHER");
taken_for('acme', 'Bearer before query',    "/alerts?api_key=$OTHER", Authorization => "Bearer $KEY");
taken_for('acme', 'an empty header counts as none', "/alerts?api_key=$KEY", 'X-API-Key' => '');
taken_for('acme', 'query, behind a rewrite', "/rewritten?api_key=$KEY");
taken_for('acme', 'query, behind an internal redirect', "/tried?api_key=$KEY");
taken_for('acme', 'header, switched location', '/header', 'X-API-Key' => $KEY);
taken_for('acme', 'a location with limit_except', '/limited', 'X-API-Key' => $KEY);
is($nginx->request('GET', '/limited', [])->{status}, 403, 'limit_except still limits');

for my $case (['query, switched off', "/header?api_key=$KEY"], ['another scheme', '/alerts', Authorization => "Basic $KEY"], ['Bearer without a key', '/alerts', Authorization => 'Bearer '],
    ['name that only ends so', "/alerts?my_api_key=$KEY"], ['empty query', '/alerts?api_key='], ['query name alone', '/alerts?api_key'])
{
    my ($name, @request) = @$case;
    my $answer = send_it(@request);
    is($answer->{status}, 401, "$name: refused");
    is($answer->{json}{detail}, 'Invalid API Key', "$name: words");
}

$nginx->finish;
done_testing;
