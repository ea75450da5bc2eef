package AW::Load;

# A small steady load of alerts from processes of its own, which remember what they were told.
#
#   my $load = AW::Load->new($nginx, path => '/disk', key => $KEY, senders => 4);
#   ...
#   my $told = $load->stop;    # { acked => [ids], status => {200 => n, ...}, cut => n }
#
# Each request has a connection of its own, so that one which was accepted and then closed without an answer is
# always the server's doing: those are counted as `cut`. Refused connections are not counted.

use strict;
use warnings;
use JSON::PP ();
use Time::HiRes qw(sleep);

use AW::HTTP qw(alert_json request_bytes connect_to read_response);

sub new
{
    my ($class, $nginx, %opt) = @_;
    my $self = bless { senders => [] }, $class;
    for my $sender (1 .. $opt{senders} // 4) {
        pipe my $read, my $write or die "pipe: $!";
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            close $read;
            eval { send_until_term($nginx, $write, $sender, %opt) };
            print STDERR "load: $@" if $@;
            close $write;
            require POSIX;
            POSIX::_exit(0);
        }
        close $write;
        push @{ $self->{senders} }, { pid => $pid, read => $read };
    }
    return $self;
}

sub send_until_term
{
    my ($nginx, $write, $sender, %opt) = @_;
    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };
    my %told = (acked => [], status => {}, cut => 0);
    my $parent = getppid;
    for (my $n = 0; !$stop && getppid == $parent; $n++) {
        my $connection = eval { connect_to($nginx->port) };
        if (!$connection) {
            sleep 0.01;
            next;
        }
        my @headers = ('X-API-Key' => $opt{key}, 'X-Delivery-ID' => "$$-$sender-$n", Connection => 'close');
        syswrite $connection->{socket}, request_bytes('POST', $opt{path}, \@headers, alert_json(message => "$$ $n"));
        my $answer = read_response($connection, timeout => 10);
        if (!$answer) {
            $told{cut}++;
            next;
        }
        $told{status}{ $answer->{status} }++;
        push @{ $told{acked} }, $answer->{json}{alert_id} if $answer->{status} == 200;
    }
    print {$write} JSON::PP::encode_json(\%told);
    return;
}

sub stop
{
    my ($self) = @_;
    my %all = (acked => [], status => {}, cut => 0);
    kill TERM => $_->{pid} for @{ $self->{senders} };
    for my $sender (@{ $self->{senders} }) {
        local $/;
        my $told = JSON::PP::decode_json(readline($sender->{read}));
        waitpid $sender->{pid}, 0;
        push @{ $all{acked} }, @{ $told->{acked} };
        $all{cut} += $told->{cut};
        $all{status}{$_} += $told->{status}{$_} for keys %{ $told->{status} };
    }
    return \%all;
}

1;
