package AW::Scenarios;

# The correlation scenarios of t/vectors in the running product, all side by side: each is a company of its own.
#
#   my $scenarios = AW::Scenarios->new(stack => $stack, clock => $clock, first => 0, count => 120);
#   $scenarios->prepare;                 # companies; before the stack starts
#   $scenarios->play;                    # after it; ends when the queue is drained and everything is compared
#
# One clock for all: the worker's clock stands where a scenario acts by hand (resolve, correlate) or is compared; before
# that, all alerts that came until then are put into the queue file with the received times of the scenario. A scenario may
# begin at any time: they begin so that few moments, and few lives of an access token, hold all that is done by hand.
# With `supervise`, a function that starts the worker again when it has ended, the worker may die at any time: requests are
# repeated until they are answered.

use strict;
use warnings;
use AW::Stack;
use HTTP::Tiny;
use IO::Select;
use IPC::Open2;
use JSON::PP qw(decode_json encode_json);
use POSIX qw(strftime);
use Time::HiRes qw(sleep time);

my $epoch = 1767225600;
my $token_life = 900;

sub total { return scalar @{ vectors() } }
sub vectors { return decode_json(AW::Stack::slurp("$AW::Stack::TOP/t/vectors/correlation.json")) }

# Options: stack, clock, supervise; first, count: which scenarios (all).
sub new {
    my ($class, %o) = @_;
    my $all = vectors();
    my $n = $o{first} // 0;
    @$all = grep { defined } @$all[$n .. $n + ($o{count} // @$all) - 1];
    my @plays = map { my $s = $_; +{ company => sprintf('scen-%03d', ++$n), scenario => $s, ids => [], todo => [@{ $s->{operations} }, { op => 'compare', t => $s->{now} }] } } @$all;
    place(@plays);
    return bless { plays => \@plays, wrong => [], done => { map { $_ => 0 } qw(alerts stops resolves correlates scenarios incidents repeated) }, %o }, $class;
}

# Gives each play the time of its 0 s: the longest first, the others where they add least.
sub place {
    my %stops = map { my $play = $_; my %t = map { $_->{t} => 1 } grep { $_->{op} ne 'alert' } @{ $play->{todo} }; $play => [sort { $a <=> $b } keys %t] } @_;
    my (%taken, %lives);
    for my $play (sort { $stops{$b}[-1] <=> $stops{$a}[-1] || $a->{company} cmp $b->{company} } @_) {
        my @mine = @{ $stops{$play} };
        my %starts = map { my $t = $_; map { $t - $_ => 1 } @mine } keys %taken;
        my ($best, $least);
        for my $start (%taken ? sort { $a <=> $b } keys %starts : 0) {
            my %new = map { int(($_ + $start) / $token_life) => 1 } @mine;
            my $cost = 1000 * grep({ !$lives{$_} } keys %new) + grep { !$taken{ $_ + $start } } @mine;
            ($best, $least) = ($start, $cost) if !defined $least || $cost < $least;
        }
        $play->{start} = $epoch + $best;
        $taken{ $_ + $best } = $lives{ int(($_ + $best) / $token_life) } = 1 for @mine;
    }
    return;
}

# What differs from the expectation: list of lines.
sub wrong { return @{ $_[0]{wrong} } }
# What was done: hash of numbers.
sub done { return $_[0]{done} }

sub prepare {
    my ($self) = @_;
    my @companies = map {
        my $s = $_->{scenario};
        +{  id => $_->{company}, name => "$_->{company} $s->{name}", correlation_config => $s->{config},
            assets => [map { +{ name => $_, critical => JSON::PP::true } } @{ $s->{critical_assets} }],
            runbooks => [map { +{ name => $_, signature => $_, risk_level => 'high' } } @{ $s->{runbook_signatures} }],
        }
    } @{ $self->{plays} };
    my $file = "$self->{stack}{dir}/scenarios.json";
    AW::Stack::spew($file, encode_json({ companies => \@companies }));
    $self->{stack}->run_worker_command('apply', $file);
    return;
}

sub play {
    my ($self) = @_;
    my $stack = $self->{stack};
    $self->{http} = HTTP::Tiny->new(timeout => 60, keep_alive => 1);
    $self->{token} = undef;
    $self->{forge} = open2($self->{forged}, $self->{forging}, "$AW::Stack::TOP/build/release/t/tools/aw_queue_forge", "$stack->{queue_dir}/queue");
    my %stops;
    for my $play (@{ $self->{plays} }) {
        $stops{ $play->{start} + $_->{t} } = 1 for grep { $_->{op} ne 'alert' } @{ $play->{todo} };
    }
    for my $now (sort { $a <=> $b } keys %stops) {
        $self->{clock}->stand_at($now);
        $self->{done}{stops}++;
        while ($self->feed($now) + $self->act($now)) { }
    }
    close $self->{forging};
    waitpid $self->{forge}, 0;
    die 'aw_queue_forge' if $?;
    return;
}

# Sends the alerts until now that wait for nothing else, and has them drained; their number.
sub feed {
    my ($self, $now) = @_;
    my @batch;
    for my $play (@{ $self->{plays} }) {
        my $todo = $play->{todo};
        push @batch, [$play, shift @$todo] while @$todo && $todo->[0]{op} eq 'alert' && $play->{start} + $todo->[0]{t} <= $now;
    }
    return 0 if !@batch;
    @batch = sort { $a->[0]{start} + $a->[1]{t} <=> $b->[0]{start} + $b->[1]{t} } @batch;
    for (@batch) {
        my ($play, $alert) = @$_;
        my %body = (message => "alert $alert->{n}", map { $_ => $alert->{$_} } qw(asset_name signature severity tool_source));
        print { $self->{forging} } "$play->{company} ", ($play->{start} + $alert->{t}) * 1000, ' ', encode_json(\%body), "\n";
    }
    print { $self->{forging} } "\n";
    $self->{forging}->flush;
    my $out = $self->{forged};
    for (@batch) {
        my ($play, $alert) = @$_;
        $play->{ids}[$alert->{n}] = $self->line;
    }
    $self->line eq '' or die 'aw_queue_forge does not see the end of the queue';
    $self->{done}{alerts} += @batch;
    return scalar @batch;
}

# One line of the tool, while the worker is looked after.
sub line {
    my ($self) = @_;
    my $end = time + 120;
    my $select = IO::Select->new($self->{forged});
    while (index($self->{text} //= '', "\n") < 0) {
        die "the queue is not drained\n" if time > $end;
        $self->look_after;
        next if !$select->can_read(0.05);
        sysread $self->{forged}, $self->{text}, 65536, length $self->{text} or die "aw_queue_forge has ended\n";
    }
    $self->{text} =~ s/^(.*)\n// or die;
    return $1;
}

sub look_after {
    my ($self) = @_;
    return if $self->{stack}->worker_alive;
    die "the worker has ended\n" . AW::Stack::slurp("$self->{stack}{dir}/logs/worker.out") if !$self->{supervise};
    return $self->{supervise}->();
}

# Does what is due by hand now, one act of each scenario; their number.
sub act {
    my ($self, $now) = @_;
    my @due = grep { @{ $_->{todo} } && $_->{todo}[0]{op} ne 'alert' && $_->{start} + $_->{todo}[0]{t} == $now } @{ $self->{plays} };
    for my $play (@due) {
        my $step = shift @{ $play->{todo} };
        my $verb = $step->{op};
        $self->$verb($play, $step);
    }
    return scalar @due;
}

# Answer of the API, decoded, and how often it was asked in vain before; dies unless its status is one of those.
sub call {
    my ($self, $method, $path, $body, @wanted) = @_;
    my ($vain, $end) = (0, time + 60);
    for (;;) {
        my $r = $self->{http}->request($method, $self->{stack}->url($path), { headers => { Authorization => 'Bearer ' . ($self->{token} // 'none'),
            ($body ? ('Content-Type' => 'application/json') : ()) }, ($body ? (content => encode_json($body)) : ()) });
        my $status = $r->{status};
        if ($status == 401) {
            $self->{token} = eval { $self->{stack}->token };
            die $@ if !$self->{token} && !$self->{supervise};
            $self->look_after;
            next;
        }
        return (decode_json($r->{content}), $vain, $status) if $status == 200 || grep { $_ == $status } @wanted;
        die "$method $path: $status $r->{content}" if !$self->{supervise} || $status < 500 || time > $end;
        $vain++;
        $self->{done}{repeated}++;
        sleep 0.02;
        $self->look_after;
    }
}

sub correlate {
    my ($self, $play, $step) = @_;
    my ($got, $vain) = $self->call(POST => "/api/incidents/correlate?company_id=$play->{company}", {});
    my $want = $step->{result};
    # Asked again without knowing whether it was done: then there is nothing left to do.
    my $known = $vain && !grep { $_ } values %$got;
    $self->differs($play, "correlate at $step->{t}: " . encode_json($got)) if !$known && grep { $got->{$_} != $want->{$_} } keys %$want;
    $self->{done}{correlates}++;
    return;
}

sub resolve {
    my ($self, $play, $step) = @_;
    my $key = $self->{http}->www_form_urlencode([map { $_ => $step->{$_} } qw(asset_name signature)]);
    my ($list) = $self->call(GET => "/api/incidents?company_id=$play->{company}&$key&limit=500");
    my @open = grep { $_->{status} ne 'resolved' } @{ $list->{items} };
    $self->differs($play, 'open for one key: ' . @open) if @open > 1;
    return if !@open;
    my (undef, $vain, $status) = $self->call(PUT => "/api/incidents/$open[0]{id}/status", { status => 'resolved' }, 409);
    $self->differs($play, "resolve at $step->{t}: $status") if $status != 200 && !$vain;
    $self->{done}{resolves}++;
    return;
}

sub differs {
    my ($self, $play, $what) = @_;
    push @{ $self->{wrong} }, "$play->{scenario}{name}: $what";
    return;
}

sub at { my ($play, $t) = @_; return strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime $play->{start} + $t) }

# Every row, as the API shows it, in one text; expected and got.
sub compare {
    my ($self, $play, $step) = @_;
    my $s = $play->{scenario};
    my @received = map { $_->{t} } sort { $a->{n} <=> $b->{n} } grep { $_->{op} eq 'alert' } @{ $s->{operations} };
    my %number = map { $play->{ids}[$_] => $_ } 0 .. $#{ $play->{ids} };
    my (@got, @want, %of);
    my ($list) = $self->call(GET => "/api/incidents?company_id=$play->{company}&limit=500");
    for my $row (sort { $a->{created_at} cmp $b->{created_at} || $a->{id} cmp $b->{id} } @{ $list->{items} }) {
        my ($one) = $self->call(GET => "/api/incidents/$row->{id}");
        $of{$_} = $row->{id} for @{ $one->{alert_ids} };
        push @got, join ' ', (map { $one->{$_} } qw(asset_name signature created_at status severity alert_count priority_score)),
            join(',', @{ $one->{tool_sources} }), join(',', sort { $a <=> $b } map { $number{$_} // "foreign $_" } @{ $one->{alert_ids} });
    }
    for my $row (@{ $s->{expect}{incidents} }) {
        push @want, join ' ', @$row{qw(asset_name signature)}, at($play, $row->{created_at}), @$row{qw(status severity)}, scalar @{ $row->{alerts} }, $row->{priority_score},
            join(',', @{ $row->{tool_sources} }), join(',', sort { $a <=> $b } @{ $row->{alerts} });
    }
    ($list) = $self->call(GET => "/api/alerts?company_id=$play->{company}&limit=500");
    my @alerts = @{ $list->{items} };
    my @status = ('absent') x @{ $s->{expect}{alert_status} };
    for my $row (@alerts) {
        my $n = $number{ $row->{id} };
        if (!defined $n || $status[$n] ne 'absent') {
            $self->differs($play, "alert $row->{id} is foreign or there twice");
            next;
        }
        $status[$n] = $row->{status};
        $self->differs($play, "alert $n says another incident") if ($row->{incident_id} // '') ne ($of{ $row->{id} } // '');
        $self->differs($play, "alert $n: attempts $row->{delivery_attempts}") if $row->{delivery_attempts} != 1;
        $self->differs($play, "alert $n: received $row->{created_at}") if $row->{created_at} ne at($play, $received[$n]);
    }
    push @got, "@status";
    push @want, "@{ $s->{expect}{alert_status} }";
    $self->{done}{incidents} += @{ $s->{expect}{incidents} };
    $self->{done}{scenarios}++;
    $self->differs($play, join "\n", "\n  got", @got, '  want', @want) if "@got" ne "@want";
    return;
}

1;
