//! The table: servers, with a client beside them that stops them in order.

use super::table::{Case, script};

const THREADS: &str = "threads of a server meet as load and scheduler have it";

pub fn redis_and_memcached() -> Vec<Case> {
    vec![
        script(
            "redis",
            "",
            "exec redis-server --port $PORT --bind 127.0.0.1 --dir . --appendonly yes \\\n\
             --io-threads 2 --logfile log\n",
        )
        .same_run(THREADS)
        .client(
            "cli() { redis-cli -p $PORT \"$@\"; }
             eventually cli ping
             redis-benchmark -p $PORT -n 1000 -c 10 -q -t set,get,lpush,zadd,mset >/dev/null
             cli set key value; cli get key; cli bgsave
             saved() { cli info persistence | grep -q rdb_bgsave_in_progress:0; }
             eventually saved; cli flushall async; cli dbsize; cli shutdown",
        ),
        script(
            "memcached",
            "",
            "echo $$ > pid; exec memcached -u nobody -l 127.0.0.1 -p $PORT -t 4\n",
        )
        .same_run(THREADS)
        .client(
            "talk() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/$PORT; printf \"$0quit\\r\\n\" >&3; cat <&3' \"$1\"; }
             eventually talk 'version\\r\\n'
             talk 'set key 0 0 5\\r\\nvalue\\r\\nget key\\r\\ndelete key\\r\\n'
             for n in 1 2 3 4 5 6; do talk \"set k$n 0 0 1\\r\\n$n\\r\\nget k$n\\r\\n\"; done
             kill -INT $(cat pid)",
        ),
    ]
}

const NGINX: &str = "mkdir www tmp; echo page > www/index.html; head -c 300000 /dev/zero > www/big
cat > nginx.conf <<END
daemon off; worker_processes 2; pid pid; error_log log; user nobody nogroup;
events { worker_connections 64; }
http {
    access_log access; client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c;
    uwsgi_temp_path tmp/d; scgi_temp_path tmp/e; sendfile on; gzip on;
    server { listen 127.0.0.1:$PORT; root www; location /again/ { proxy_pass http://127.0.0.1:$PORT/; } }
}
END";

pub fn nginx() -> Vec<Case> {
    vec![
        script("nginx", NGINX, "exec nginx -p \"$PWD\" -e log -c nginx.conf\n")
            .same_run("which worker takes a connection, and whether a write is partial, is chance")
            .client(
                "get() { curl -sSf --max-time 10 http://127.0.0.1:$PORT/$1; }
                 eventually get; get; get again/; get big | wc -c; curl -so /dev/null -w '%{http_code}\\n' http://127.0.0.1:$PORT/no
                 nginx -p \"$PWD\" -e log -c nginx.conf -s reload; sleep 0.5; get
                 nginx -p \"$PWD\" -e log -c nginx.conf -s quit",
            ),
    ]
}

pub fn postgres() -> Vec<Case> {
    vec![
        script(
            "postgres",
            "chown postgres .",
            r#"
bin=$(echo /usr/lib/postgresql/*/bin)
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
as $bin/initdb -D data -A trust -U postgres --no-sync > initdb.log || exit 1
as $bin/pg_ctl start -D data -w -l log -o "-p $PORT -k $PWD -c listen_addresses=127.0.0.1" > start.log || exit 2
as psql -h "$PWD" -p $PORT -U postgres -qAt <<END
create table t as select i, md5(i::text) m from generate_series(1, 5000) i;
create index on t(m);
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0;
select count(*), max(m) from t;
analyze t; checkpoint;
END
as $bin/pg_ctl stop -D data -m fast -w > stop.log || exit 3
"#,
        )
        .same_run("background workers wake by the clock"),
    ]
}
