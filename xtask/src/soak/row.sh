start_nginx
cat > "$dir/row.py" <<'CLIENT'
import socket, sys, time
for line in sys.stdin:
    started = time.monotonic()
    for n in range(int(line)):
        s = socket.create_connection(('10.0.2.2', int(sys.argv[1])))
        if n % 2:
            # the server closes first
            s.sendall(b'GET /small HTTP/1.0\r\n\r\n')
            while s.recv(65536): pass
        else:
            # the client does
            s.sendall(b'GET /small HTTP/1.1\r\nHost: x\r\n\r\n')
            s.recv(65536)
        s.close()
    print(f'{line.strip()} connections in a row, none refused, {time.monotonic() - started:.1f} s', flush=True)
CLIENT
coproc run { exec "$BOWLINE" run --json -- python3 "$dir/row.py" "$port" 2> "$dir/summary"; }
gateway=$run_PID
children+=("$gateway")
echo 5000 >&"${run[1]}"; read -r said <&"${run[0]}"; echo "$said"
before=$(resident "$gateway") open=$(descriptors "$gateway")
echo 100000 >&"${run[1]}"; read -r said <&"${run[0]}"; echo "$said"
after=$(resident "$gateway")
# TIME-WAIT lasts a minute
sleep 65
later=$(resident "$gateway")
echo "memory: $before KiB before, $after KiB after, $later KiB after TIME-WAIT; descriptors: $open and $(descriptors "$gateway")"
# one more may be there for good: the timer that the driver makes when it first needs it
[ "$(descriptors "$gateway")" -le $((open + 1)) ]
[ "$later" -le $((before + 8192)) ]
eval "exec ${run[1]}>&-"
wait "$gateway"
cat "$dir/summary"
grep -q '"connections":105000,"failed":0,' "$dir/summary"
