start_nginx
transfer $((4 << 30))
