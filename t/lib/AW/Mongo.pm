package AW::Mongo;

# A MongoDB wire protocol server of the tests as an object:
#
#   my $server = AW::Mongo->start('java');       # or 'ferretdb', 'java-h2' (on disk)
#   $server->uri('name');                        # mongodb://127.0.0.1:PORT/name
#   $server->database('name');                   # the same, made ready for more than a few rows; further words name
#                                                # collections whose rows are never replaced, which need not be
#   $server->kill; $server->restart;             # same port, same folder
#   $server->freeze; $server->thaw;              # SIGSTOP: it is there and does not answer
#
# It ends with the object. 'java' forgets everything when it ends; 'ferretdb' keeps every acknowledged write, also
# through kill; 'java-h2' keeps what an orderly stop has written. scripts/build_test_servers makes the programs.

use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();

use AW::Port qw(free_port);

my $top = File::Spec->rel2abs(dirname(__FILE__) . '/../../..');
my $ready_seconds = 60;

my %command = (
    ferretdb => sub {
        my ($port, $dir) = @_;
        return ("$top/build/servers/ferretdb", "127.0.0.1:$port", $dir);
    },
    java => sub { return (_java(), $_[0]) },
    'java-h2' => sub { return (_java(), $_[0], "$_[1]/h2") },
);

sub _java {
    return ('java', '-XX:+UseSerialGC', '-Xmx2g', '-cp', "$top/build/servers/mongo_java/*", 'alertwhisper.MongoJava');
}

sub kinds { return qw(java ferretdb) }

# Options: dir (data folder; a temporary one without it), port (a free one without it).
sub start {
    my ($class, $kind, %option) = @_;
    die "AW::Mongo: no server is called $kind\n" unless $command{$kind};
    my $self = bless {kind => $kind, port => $option{port} // free_port()}, $class;
    $self->{temp} = File::Temp->newdir unless $option{dir};
    $self->{dir} = $option{dir} // "$self->{temp}";
    return $self->restart;
}

sub restart {
    my ($self) = @_;
    $self->stop;
    pipe(my $out, my $in) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>&', $in or die "dup: $!";
        no warnings 'exec';
        exec $command{$self->{kind}}->($self->{port}, $self->{dir});
        POSIX::_exit(127);
    }
    close $in;
    @$self{qw(pid out)} = ($pid, $out);
    my $line = '';
    my $select = IO::Select->new($out);
    while ($line !~ /\n/) {
        last unless $select->can_read($ready_seconds) && sysread $out, $line, 256, length $line;
    }
    ($self->{port}) = $line =~ m{^mongodb://127\.0\.0\.1:(\d+)/} or $self->stop, die "AW::Mongo: $self->{kind} did not start\n";
    return $self;
}

sub pid { return $_[0]{pid} }
sub kind { return $_[0]{kind} }

# FerretDB scans for nearly every filter: on a busy machine its answer may take longer than the driver's 5 s.
sub uri {
    my ($self, $name) = @_;
    my $options = $self->{kind} eq 'ferretdb' ? '?socketTimeoutMS=60000' : '';
    return "mongodb://127.0.0.1:$self->{port}/" . ($name // '') . $options;
}

# mongo-java-server finds {_id, version}, with which every replace is addressed, by an index on exactly these two
# only; other servers take the one on _id.
my @replaced = qw(alerts deliveries incidents open_keys notifications meta);

sub database {
    my ($self, $name, @kept) = @_;
    my %kept = map { $_ => 1 } @kept;
    if ($self->{kind} =~ /^java/) {
        for my $collection (grep { !$kept{$_} } @replaced) {
            $self->_command($name, createIndexes => $collection,
                indexes => {0 => [key => [_id => 1, version => 1], name => '_id_1_version_1', unique => \1]});
        }
    }
    return $self->uri($name);
}

# A document as BSON: [pairs] is a document, {index => ...} an array, \1 a truth, digits an int32, the rest text.
sub _bson {
    my (@pairs) = @_;
    my $body = '';
    while (my ($key, $value) = splice @pairs, 0, 2) {
        my ($type, $bytes) =
              ref $value eq 'ARRAY'  ? (3,  _bson(@$value))
            : ref $value eq 'HASH'   ? (4,  _bson(%$value))
            : ref $value eq 'SCALAR' ? (8,  chr $$value)
            : $value =~ /^\d+$/      ? (16, pack 'V', $value)
            :                          (2,  pack('V', length($value) + 1) . "$value\0");
        $body .= chr($type) . "$key\0$bytes";
    }
    return pack('V', length($body) + 5) . "$body\0";
}

# One command as OP_MSG (opcode 2013); dies unless the reply says ok: 1.
sub _command {
    my ($self, $database, @command) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}") or die "AW::Mongo: $!\n";
    my $body = pack('VC', 0, 0) . _bson(@command, '$db' => $database);
    print $socket pack('V4', 16 + length $body, 1, 0, 2013) . $body or die "AW::Mongo: $!\n";
    $socket->flush;
    read($socket, my $head, 16) == 16 or die "AW::Mongo: no reply\n";
    read $socket, my $reply, unpack('V', $head) - 16;
    $reply =~ /\x01ok\0\0\0\0\0\0\0\xf0\x3f|\x10ok\0\x01\0\0\0/ or die "AW::Mongo: $command[0] was refused\n";
    return;
}

sub stop { return $_[0]->_end('TERM') }
sub kill { return $_[0]->_end('KILL') } ## no critic: named after what it does

sub freeze { CORE::kill('STOP', $_[0]{pid}); return }
sub thaw { CORE::kill('CONT', $_[0]{pid}); return }

sub _end {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return;
    local ($?, $!);
    CORE::kill($_, $pid) for $signal, 'CONT';
    waitpid $pid, 0;
    delete $self->{out};
    return;
}

sub DESTROY { $_[0]->stop; return }

1;
