start_nginx
for connection in keep-alive close; do
    "$BOWLINE" run -- wrk -t2 -c2000 -d20s --timeout 20s -H "Connection: $connection" \
        "http://host.bowline.internal:$port/small" | tee "$dir/wrk"
    if grep -E 'Socket errors|Non-2xx' "$dir/wrk"; then exit 1; fi
done
