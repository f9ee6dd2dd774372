# Serves in every unfriendly way, a port each.
import socket, struct, threading, time


def reset(stream):
    # the client has seen its connection open by then
    time.sleep(0.1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    stream.close()


def reset_after_data(stream):
    stream.sendall(b'bye')
    reset(stream)


def close_with_data_unread(stream):
    stream.recv(1)
    stream.close()


def close_at_once(stream):
    stream.close()


def serve(port, how):
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        how(listener.accept()[0])


for port, how in enumerate([reset, reset_after_data, close_with_data_unread, close_at_once], 7001):
    threading.Thread(target=serve, args=(port, how)).start()
print('serving', flush=True)
