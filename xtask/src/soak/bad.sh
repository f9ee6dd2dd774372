start_nginx
transfer $((32 << 20)) --loss 2% --delay 10ms --reorder 2% --duplicate 1% --corrupt 0.5% --seed 1
