# Known or new: by delivery id, by content, by signature; twins that arrive at the same time over several workers.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json sign request_bytes connect_to read_response);
use AW::Nginx;

my $nginx = AW::Nginx->new(workers => 4);
$nginx->start;
my ($KEY, $SIGNED, $SECRET, $OTHER) = ('key-of-acme-0001', 'key-of-signed-02', 'secret-of-signed', 'key-of-other-003');
$nginx->table("company acme\nkey $KEY\nasset srv-1\ncompany signed hmac=$SECRET\nkey $SIGNED\nasset srv-1\ncompany other\nkey $OTHER\nasset srv-1\n");

my $n = 0;
sub new_body { return alert_json(message => 'number ' . $n++) }

for my $path ('/alerts', '/disk') {
    subtest "$path: delivery id" => sub {
        my $id = "id-of-$path";
        my $first = $nginx->post_to($path, new_body(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => $id);
        is($first->{status}, 200, 'taken');
        is($first->{json}{duplicate}, undef, 'as new');
        my $again = $nginx->post_to($path, new_body(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => $id);
        is($again->{json}{duplicate}, JSON::PP::true, 'the same id is a repeat, whatever its body');
        is($again->{json}{alert_id}, $first->{json}{alert_id}, 'and answers with the first id');
        is($again->{json}{durability}, $first->{json}{durability}, 'and its durability');
        is($nginx->post_to($path, new_body(), 'X-API-Key' => $OTHER, 'X-Delivery-ID' => $id)->{json}{duplicate}, undef, 'another company may use the same id');
        is($nginx->post_to($path, new_body(), 'X-API-Key' => $KEY, 'X-Delivery-ID' => "$id.")->{json}{duplicate}, undef, 'another id is new');
        my @kinds = map { $_->{kind} } grep { $_->{alert_id} eq $first->{json}{alert_id} } $nginx->records;
        is("@kinds", 'alert attempt', 'one alert and one attempt in the queue');
    };

    subtest "$path: content" => sub {
        my $body = new_body();
        is($nginx->post_to($path, $body, 'X-API-Key' => $KEY)->{json}{duplicate}, undef, 'new');
        is($nginx->post_to($path, $body, 'X-API-Key' => $KEY)->{json}{duplicate}, JSON::PP::true, 'the same text is a repeat');
        is($nginx->post_to($path, "$body ", 'X-API-Key' => $KEY)->{json}{duplicate}, undef, 'one more byte is new');
        is($nginx->post_to($path, $body, 'X-API-Key' => $OTHER)->{json}{duplicate}, undef, 'another company is new');
        is($nginx->post_to($path, $body, 'X-API-Key' => $KEY, 'X-Delivery-ID' => 'c' . $n++)->{json}{duplicate}, undef, 'with a delivery id its text does not count');
    };

    subtest "$path: signature" => sub {
        my $body = new_body();
        my @signed = ('X-API-Key' => $SIGNED, sign($SECRET, $body));
        my $first = $nginx->post_to($path, $body, @signed, 'X-Delivery-ID' => "s1$path");
        is($first->{status}, 200, 'taken');
        my $replay = $nginx->post_to($path, $body, @signed, 'X-Delivery-ID' => "s2$path");
        is($replay->{json}{duplicate}, JSON::PP::true, 'a captured request with a fresh delivery id is a repeat');
        is($replay->{json}{alert_id}, $first->{json}{alert_id}, 'of the first');
        my @later = ('X-API-Key' => $SIGNED, sign($SECRET, $body, time - 7));
        my $retry = $nginx->post_to($path, $body, @later, 'X-Delivery-ID' => "s1$path");
        is($retry->{json}{duplicate}, JSON::PP::true, 'a retry signed again is a repeat by its id');
        my ($attempt) = grep { $_->{alert_id} eq $first->{json}{alert_id} && $_->{flags} & 4 } $nginx->records;
        is($attempt && $attempt->{kind}, 'attempt', 'and its new signature is in the queue');
        is($nginx->post_to($path, $body, @later, 'X-Delivery-ID' => "s3$path")->{json}{duplicate}, JSON::PP::true, 'and known from now on');
        is($nginx->post_to($path, $body, 'X-API-Key' => $SIGNED, sign($SECRET, $body, time - 9))->{json}{duplicate}, undef, 'the same text at another time is new');
    };

    subtest "$path: twins" => sub {
        my %alerts;
        my $rounds = 20;
        my $width  = 8;
        my $wrong  = 0;
        for my $round (1 .. $rounds) {
            my $bytes = request_bytes('POST', $path, ['X-API-Key' => $KEY, 'X-Delivery-ID' => "twin-$path-$round"], new_body());
            my @connections = map { connect_to($nginx->port) } 1 .. $width;
            syswrite $_->{socket}, $bytes for @connections;
            my @answers = map { read_response($_) } @connections;
            my @new = grep { !$_->{json}{duplicate} } @answers;
            my %ids = map { $_->{json}{alert_id} => 1 } @answers;
            $wrong++ unless @new == 1 && keys %ids == 1 && !grep { $_->{status} != 200 } @answers;
            $alerts{$_} = 1 for keys %ids;
        }
        is($wrong, 0, "of $width twins exactly one is new, all have one id, in $rounds rounds");
        my @records = grep { $alerts{ $_->{alert_id} } } $nginx->records;
        is(scalar(grep { $_->{kind} eq 'alert' } @records), $rounds, 'one alert for each in the queue');
        is(scalar(grep { $_->{kind} eq 'attempt' } @records), $rounds * ($width - 1), 'and an attempt for each other');
    };
}

$nginx->finish;
done_testing;
