# shellcheck shell=bash disable=SC2154 # dir, shm, port, store, module, url, empty come from scripts/run
# What scripts/run writes into its folder: the configuration of the worker and of nginx, and demo.json.

write_worker_conf() {
    cat << EOT
worker {
    queues = {"$dir/queue/queue"}
    edge_table = "$shm/edge"
    master_key = "$dir/data/master.key"
    admin_socket = "$dir/data/admin.sock"
    log = "$dir/logs/worker.log"
}
store {
    driver = "$([ -n "$store" ] && echo mongo || echo sqlite)"
    path = "$dir/data/alertwhisper.db"
    uri = "$store"
}
api {
    socket = "$dir/sock/api.sock"
}
EOT
}

write_demo_json() {
    (umask 077 && perl -MJSON::PP -e '
        my ($url, $admin_file, $applied_file, $demo_file, $out) = @ARGV;
        my $read = sub { open my $f, "<", shift or return {}; local $/; decode_json(<$f>) };
        my $admin = $read->($admin_file);
        my %demo = (url => $url, email => $admin->{email}, password => $admin->{password});
        if (-f $applied_file) {
            my ($made, $company) = ($read->($applied_file)->{generated}, $read->($demo_file)->{companies}[0]);
            @demo{qw(company_id api_key hmac_secret assets)} = ($company->{id}, $made->{api_keys}[0]{key},
                $made->{hmac_secrets}[0]{secret}, [map { $_->{name} } @{ $company->{assets} }]);
        }
        open my $f, ">", $out or die "$out: $!\n";
        print $f JSON::PP->new->canonical->pretty->encode(\%demo);
    ' "$url" "$dir/admin.json" "$dir/applied.json" "$top/conf/demo.json" "$dir/demo.json")
}

write_nginx_conf() {
    local snippets=$top/conf/nginx/snippets user=
    [ "$(id -u)" = 0 ] && user='user nobody nogroup;'
    cat << EOT
load_module $module;
$user
worker_processes 2;
pid $dir/nginx.pid;
error_log $dir/logs/error.log warn;
events {
    worker_connections 4096;
}
http {
    include $snippets/alertwhisper-log.conf;
    access_log $dir/logs/access.log alertwhisper;
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    server_tokens off;
    alertwhisper_queue $dir/queue/queue 64m;
    alertwhisper_edge_table $shm/edge 16m;
    upstream alertwhisperd {
        server unix:$dir/sock/api.sock;
        keepalive 16;
    }
    server {
        listen 127.0.0.1:$port;
        include $snippets/alertwhisper-errors.conf;
        include $snippets/alertwhisper-ingest.conf;
        include $snippets/alertwhisper-status.conf;
        include $snippets/alertwhisper-api.conf;
    }
}
EOT
}
