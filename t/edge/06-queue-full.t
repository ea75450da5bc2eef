# A full queue refuses with 503, loses nothing that was accepted, and takes alerts again when it was drained.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use AW::HTTP qw(alert_json);
use AW::Nginx;

my $nginx = AW::Nginx->new(queue => 'data/alerts.queue 1m ids=16k');
$nginx->start;
my $KEY = 'key-of-acme-0001';
$nginx->table("company acme\nkey $KEY\nasset srv-1\n");

my $n = 0;
sub send_it
{
    my ($path) = @_;
    my $body = alert_json(message => 'n' . $n++) . ' ' x 8000;
    return $nginx->post_to($path, $body, 'X-API-Key' => $KEY);
}

for my $path ('/alerts', '/disk') {
    my (@taken, $full);
    while (@taken < 200) {
        my $answer = send_it($path);
        if ($answer->{status} != 200) {
            $full = $answer;
            last;
        }
        push @taken, $answer->{json}{alert_id};
    }
    cmp_ok(scalar @taken, '>', 80, "$path: some were taken");
    is($full && $full->{status}, 503, "$path: then 503");
    is($full->{json}{code}, 'queue_full', "$path: queue_full");
    is($full->{headers}{'retry-after'}, 10, "$path: Retry-After");
    my $again = send_it($path);
    is($again->{status}, 503, "$path: and again");
    cmp_ok($nginx->status->{counters}{unavailable_full}, '>=', 2, "$path: counted");
    my $status = $nginx->status->{queue};
    cmp_ok($status->{used_bytes} / $status->{size_bytes}, '>', 0.75, "$path: the status shows a queue at its high water");

    is(join(' ', map { $_->{alert_id} } $nginx->records(drain => 1)), join(' ', @taken), "$path: exactly what was taken is in the queue, in its order");
    is($nginx->status->{queue}{used_bytes}, 0, "$path: drained");
    is(send_it($path)->{status}, 200, "$path: takes alerts again");
    $nginx->records(drain => 1);
}
like($nginx->log_text, qr/\[error\].*alertwhisper: delivery refused, queue_full/, 'the error log says so');

$nginx->finish;
done_testing;
