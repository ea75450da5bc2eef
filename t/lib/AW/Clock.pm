package AW::Clock;

# The wall clock of processes under test (libfaketime; the monotonic clock stays true):
#
#   my $clock = AW::Clock->new;
#   AW::Stack->new(worker_env => $clock->env, nginx_env => [sort keys %{ $clock->env }]);
#   $clock->shift_by(-86400);             # runs on, a day behind
#   $clock->stand_at(1767225600);         # stands still
#
# Every call of a process reads the time anew, so that it is there when the method returns. It ends with the object.
# With glibc 2.36 libfaketime takes the deadlines of waits on the monotonic clock for wall time unless
# FAKETIME_FORCE_MONOTONIC_FIX is 0: every wait would end at once.

use strict;
use warnings;
use AW::Stack;
use File::Temp ();
use POSIX qw(strftime);

sub new {
    my ($class) = @_;
    my ($library) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1' or die "libfaketime is missing: scripts/bootstrap test installs it\n";
    my $folder = File::Temp->newdir('aw-XXXXXX', DIR => '/var/tmp');
    chmod 0755, "$folder";
    my $self = bless { folder => $folder, file => "$folder/clock" }, $class;
    $self->{env} = { LD_PRELOAD => $library, FAKETIME_TIMESTAMP_FILE => $self->{file}, FAKETIME_NO_CACHE => 1, DONT_FAKE_MONOTONIC => 1,
        FAKETIME_DONT_FAKE_MONOTONIC => 1, FAKETIME_DONT_RESET => 1,
        FAKETIME_FORCE_MONOTONIC_FIX => 0, TZ => 'UTC' };
    _tidy();
    return $self->shift_by(0);
}

sub env { return $_[0]{env} }

sub shift_by {
    my ($self, $seconds) = @_;
    return $self->_write(sprintf '%+ds', $seconds);
}

sub stand_at {
    my ($self, $time) = @_;
    return $self->_write(strftime('%Y-%m-%d %H:%M:%S', gmtime $time));
}

# What libfaketime leaves behind of processes that were killed: one that gets such a number again could not start with it.
sub _tidy {
    for my $left (glob '/dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_*') {
        my ($pid) = $left =~ /_(\d+)$/;
        unlink $left if !-d "/proc/$pid";
    }
    return;
}

sub DESTROY { return _tidy() }

sub _write {
    my ($self, $text) = @_;
    AW::Stack::spew("$self->{file}.new", "$text\n");
    rename "$self->{file}.new", $self->{file} or die "rename: $!";
    return $self;
}

1;
