# The rate limit of a company: of 150 fast requests 100 pass and 50 get 429; who pays, and who does not.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json sign request_bytes exchange);
use AW::Nginx;

my $nginx = AW::Nginx->new(workers => 4, locations => AW::Nginx->default_locations
    . 'location = /dry { alertwhisper_ingest; alertwhisper_dry_run on; }');
$nginx->start;
my $SECRET = 'secret-of-signed';

# per_minute 6: a token every 10 s, so that none comes back while the test runs
$nginx->table(<<"TABLE");
company acme rate=6/100
key key-of-acme-0001
asset srv-1
company free
key key-of-free-0002
asset srv-1
company signed rate=6/3 hmac=$SECRET
key key-of-signed-03
asset srv-1
TABLE

my $n = 0;
my %seen;
for my $connection (1 .. 15) {
    my @bytes = map { request_bytes('POST', '/alerts', ['X-API-Key' => 'key-of-acme-0001'], alert_json(message => 'n' . $n++)) } 1 .. 10;
    for my $answer (exchange($nginx->port, [join '', @bytes], responses => 10)) {
        $seen{ $answer->{status} }++;
        push @{ $seen{after} }, $answer->{headers}{'retry-after'} if $answer->{status} == 429;
    }
}
is($seen{200}, 100, '100 of 150 pass');
is($seen{429}, 50, '50 of 150 get 429');
is(scalar(grep { $_ >= 9 && $_ <= 10 } @{ $seen{after} }), 50, 'each with the time to wait');
is(scalar(() = $nginx->records), 100, '100 records in the queue');
is($nginx->post(alert_json(), 'X-API-Key' => 'key-of-free-0002')->{status}, 200, 'another company does not pay for it');

is($nginx->reload, '', 'reloaded');
is($nginx->post(alert_json(message => 'r'), 'X-API-Key' => 'key-of-acme-0001')->{status}, 429, 'a reload does not give tokens back');

my $signed = sub {
    my ($body, $path) = @_;
    return $nginx->post_to($path // '/alerts', $body, 'X-API-Key' => 'key-of-signed-03', sign($SECRET, $body));
};
for (1 .. 5) {
    is($nginx->post(alert_json(), 'X-API-Key' => 'key-of-signed-03', sign('wrong', alert_json()))->{status}, 401, 'a wrong signature costs no token');
}
is($signed->(alert_json(message => 'n' . $n++), '/dry')->{status}, 200, 'a dry run costs no token') for 1 .. 4;
is($signed->(alert_json(message => 'one'))->{status}, 200, 'the first token');
is($signed->(alert_json(message => 'one'))->{json}{duplicate}, JSON::PP::true, 'a repeat costs one');
is($signed->('{}')->{status}, 422, 'and so does a wrong field');
is($signed->(alert_json(message => 'two'))->{status}, 429, 'then none is left');

$nginx->finish;
done_testing;
