cat > "$dir/flood.sh" <<'INSIDE'
hping3 -q -S --flood --rand-source -p 80 10.0.2.4 > "$1/hping" 2>&1 &
flood=$!
echo flooding
n=0 answered=0
until=$((SECONDS + 10))
while [ $SECONDS -lt $until ] || [ $n -lt 200 ]; do
    n=$((n + 1))
    if curl -4 -sS -m 1 http://bowline.internal/ 2>> "$1/errors" | grep ^State > /dev/null; then answered=$((answered + 1)); fi
done
kill -INT $flood
wait $flood
echo "$answered of $n"
read -r _
INSIDE
coproc run { exec "$BOWLINE" run --json -- bash "$dir/flood.sh" "$dir" 2> "$dir/summary"; }
gateway=$run_PID
children+=("$gateway")
read -r _ <&"${run[0]}"
sleep 3
echo "half-open: $("$BOWLINE" ss --pid "$gateway" -H state syn-recv | wc -l)"
[ "$("$BOWLINE" ss --pid "$gateway" -H state syn-recv | wc -l)" -gt 100 ]
"$BOWLINE" ss --pid "$gateway" -s | grep SyncookiesSent
before=$(resident "$gateway")
read -r said <&"${run[0]}"
after=$(resident "$gateway")
echo >&"${run[1]}"
wait "$gateway"
echo "$said requests answered within a second each; memory: $before KiB, then $after KiB"
grep transmitted "$dir/hping"
cat "$dir/summary"
[ $((${said% of *} * 100)) -ge $((${said#* of } * 99)) ]
[ "$after" -le $((before + 8192)) ]
