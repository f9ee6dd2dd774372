dir=$(mktemp -d --tmpdir bowline-soak.XXXXXX)
children=()
trap 'for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
ulimit -n "$(ulimit -Hn)"

# A port that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

listening() { until ss -Hltn "sport = :$1" | grep -q .; do sleep 0.01; done; }

start_nginx() {
    port=$(free_port)
    cat > "$dir/nginx.conf" <<CONFIG
daemon off; worker_processes 1; user root; pid $dir/nginx.pid; error_log stderr;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 1000000; sendfile on; client_body_temp_path $dir/body; proxy_temp_path $dir/t1;
  fastcgi_temp_path $dir/t2; uwsgi_temp_path $dir/t3; scgi_temp_path $dir/t4;
  server { listen 127.0.0.1:$port backlog=8192; listen [::1]:$port backlog=8192; root $dir;
           location = /small { return 200 "hello\n"; } }
}
CONFIG
    nginx -c "$dir/nginx.conf" -p "$dir" & children+=($!)
    listening "$port"
}

# The seconds since $1.
since() { awk -v now="$EPOCHREALTIME" -v then="$1" 'BEGIN { printf "%.1f", now - then }'; }

# The memory in KiB and the descriptors of process $1.
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
descriptors() { ls "/proc/$1/fd" | wc -l; }

# transfer BYTES OPTIONS...: from nginx and to nc, over IPv4 and IPv6, with equal sums.
transfer() {
    local bytes=$1 inside outside started took sum
    shift
    head -c "$bytes" /dev/urandom > "$dir/data"
    sum=$(sha256sum < "$dir/data")
    for family in 4 6; do
        if [ $family = 4 ]; then inside=10.0.2.2 outside=127.0.0.1; else inside=fd00::2 outside=::1; fi
        started=$EPOCHREALTIME
        [ "$sum" = "$("$BOWLINE" run "$@" -- curl "-$family" -sS "http://host.bowline.internal:$port/data" | sha256sum)" ]
        took=$(since "$started")
        echo "IPv$family down: $bytes bytes, sums equal, $took s with hashing"
        to=$(free_port)
        nc.openbsd -lN $outside "$to" > "$dir/arrived" & children+=($!)
        local server=$!
        listening "$to"
        started=$EPOCHREALTIME
        "$BOWLINE" run "$@" -- sh -c "exec nc.openbsd -N $inside $to < $dir/data"
        wait $server
        took=$(since "$started")
        [ "$sum" = "$(sha256sum < "$dir/arrived")" ]
        echo "IPv$family up: $bytes bytes, sums equal, $took s"
        rm "$dir/arrived"
    done
}
