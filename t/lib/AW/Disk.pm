package AW::Disk;
# A disk of a test's own: ext4 in a file, which belongs to whoever runs the test. Mounting takes root or sudo. Goes away
# with the object.
use strict;
use warnings;
use File::Temp ();
use Test::More ();

my @as_root = $> == 0 ? () : qw(sudo -n);

sub run { return system(@_) == 0 || die "@_ failed\n" }

# size: as truncate takes it; mkfs: further options of mkfs.ext4. Mounted at {path}.
sub new {
    my ($class, %o) = @_;
    system("@as_root true") == 0 or Test::More::BAIL_OUT('disks of a test are mounted as root: run the suite as root, or allow sudo without a password');
    my $home = File::Temp::tempdir('aw-XXXXXX', DIR => $ENV{AW_TEST_DIR} // '/var/tmp');
    chmod 0755, $home;
    my $self = bless { home => $home, path => "$home/disk", image => "$home/image.0", copies => 0, owner => $$ }, $class;
    mkdir $self->{path};
    run('truncate', '-s', $o{size}, $self->{image});
    run('mkfs.ext4', '-q', '-F', '-E', "lazy_itable_init=0,root_owner=$>:" . ($) + 0), @{ $o{mkfs} // [] }, $self->{image});
    $self->mount;
    return $self;
}

sub mount {
    my ($self) = @_;
    run(@as_root, 'mount', '-o', 'loop', $self->{image}, $self->{path});
    return;
}

# False while somebody has a file of it open.
sub umount {
    my ($self) = @_;
    return system("@as_root umount $self->{path} 2>/dev/null") == 0;
}

# From the next mount on the disk is what it is at this instant.
sub freeze {
    my ($self) = @_;
    my $image = "$self->{home}/image." . ++$self->{copies};
    run('cp', '--sparse=always', $self->{image}, $image);
    unlink $self->{image}; # the loop device keeps it until it is unmounted
    $self->{image} = $image;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner}; # a child of the test
    local $?;
    $self->umount or system(@as_root, 'umount', '-l', $self->{path}); # a test that died may have left files open
    system('rm', '-rf', '--one-file-system', $self->{home});
    return;
}

1;
