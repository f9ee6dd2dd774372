# A host with a router behind it, each a network namespace: run by `unshare -Urnmpf`, with $DIR to work in.
# The router turns packets away in every way that there is, and serves at its own address.
ip link set lo up
mkfifo "$DIR/there" "$DIR/serving"
unshare -n sh -c 'echo > "$DIR/there"; exec sleep 1000' &
router=$!
read -r _ < "$DIR/there"
ip link add out0 type veth peer name in0 netns $router
ip address add 198.18.0.1/24 dev out0
ip address add 2001:db8:1::1/64 dev out0 nodad
ip link set out0 up
at_router() { nsenter -t $router -n "$@"; }
at_router sh -ec '
  ip link set lo up
  ip address add 198.18.0.2/24 dev in0
  ip address add 2001:db8:1::2/64 dev in0 nodad
  ip link set in0 up
  echo 1 > /proc/sys/net/ipv4/ip_forward
  echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
  echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
  echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
  ip route add unreachable 198.18.1.1
  ip route add prohibit 198.18.1.2
  ip route add blackhole 198.18.1.3
  ip route add unreachable 2001:db8:2::1
  ip route add prohibit 2001:db8:2::2
  ip route add blackhole 2001:db8:2::3
'
ip route add default via 198.18.0.2
ip -6 route add default via 2001:db8:1::2
ip route add unreachable 198.18.2.1
ip route add prohibit 198.18.2.2
ip route add blackhole 198.18.2.3
ip route add throw 198.18.2.4
ip route add unreachable 2001:db8:3::1
ip route add prohibit 2001:db8:3::2
ip route add blackhole 2001:db8:3::3
ip route add throw 2001:db8:3::4
at_router python3 "$DIR/serve.py" > "$DIR/serving" &
read -r _ < "$DIR/serving"
