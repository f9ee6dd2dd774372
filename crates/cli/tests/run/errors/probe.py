# Tries everything that can go wrong with one version of IP, and prints a line for each: what, how it went, how many
# milliseconds it took. The second argument is a neighbour's number that nobody has asked for yet.
import errno, os, socket, sys, time

TCP_USER_TIMEOUT = 18


def connect(host, port=7000, timeout_ms=0):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_STREAM)
    if timeout_ms:
        stream.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms)
    stream.connect((host, port))
    return stream


def receive_all(host, port):
    stream = connect(host, port)
    got = b''
    try:
        while True:
            data = stream.recv(100)
            if not data:
                return f'{got!r} and its end'
            got += data
    except OSError as error:
        return f'{got!r} and {errno.errorcode[error.errno]}'


def send_for_ever(host, port):
    stream = connect(host, port)
    while True:
        stream.sendall(b'x' * 1000)
        time.sleep(0.005)


def send_after_reset(host, port):
    stream = connect(host, port)
    try:
        stream.recv(1)
    except OSError:
        pass
    stream.send(b'x')


def datagram(host, port=7000):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.settimeout(1)
    sender.connect((host, port))
    sender.send(b'anybody?')
    return sender.recv(100)


def poll_for_error(host):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    import select
    stream = socket.socket(family, socket.SOCK_STREAM)
    stream.setblocking(False)
    started = stream.connect_ex((host, 7000))
    if started != errno.EINPROGRESS:
        return errno.errorcode[started]
    poller = select.poll()
    poller.register(stream, select.POLLOUT)
    poller.poll(5000)
    return errno.errorcode[stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]


def attempt(name, what, *arguments):
    started = time.monotonic()
    try:
        outcome = str(what(*arguments))
    except OSError as error:
        outcome = errno.errorcode.get(error.errno, str(error))
    took = (time.monotonic() - started) * 1000
    print(f'{name}\t{outcome}\t{took:.0f}', flush=True)


def unconnected_datagram(host):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM).sendto(b'anybody?', (host, 7000))


server, away, local, own, nobody, loopback, group, of_a_link, reserved = {
    '4': ('198.18.0.2', '198.18.1.', '198.18.2.', '198.18.0.1', '0.0.0.0', '127.0.0.1', '224.0.0.251', '198.18.0.255',
          '240.0.0.1'),
    '6': ('2001:db8:1::2', '2001:db8:2::', '2001:db8:3::', '2001:db8:1::1', '::', '::1', 'ff0e::fb', 'fe80::1',
          '4000::1'),
}[sys.argv[1]]
neighbour = server[:-1] + sys.argv[2]
attempt('refused', connect, server)
attempt('refused, not blocking', poll_for_error, server)
attempt('host unreachable', connect, away + '1')
attempt('prohibited', connect, away + '2')
attempt('no answer', connect, away + '3', 7000, 1500)
attempt('no route', connect, away + '4')
attempt('no route of the host itself', connect, local + '1')
attempt('no such neighbour', connect, neighbour)
attempt('reset', receive_all, server, 7001)
attempt('reset, then sending', send_after_reset, server, 7001)
attempt('reset after data', receive_all, server, 7002)
attempt('sending to one who has gone', send_for_ever, server, 7003)
attempt('closed', receive_all, server, 7004)
attempt('datagram refused', datagram, server)
attempt('datagram, host unreachable', datagram, away + '1')
attempt('datagram prohibited', datagram, away + '2')
attempt('datagram, no route', datagram, away + '4')
attempt('prohibited by the host itself', connect, local + '2')
attempt('blackholed by the host itself', connect, local + '3')
attempt('thrown by the host itself', connect, local + '4')
for name, how in [('datagram', datagram), ('unconnected datagram', unconnected_datagram)]:
    attempt(f'{name}, no route of the host itself', how, local + '1')
    attempt(f'{name}, prohibited by the host itself', how, local + '2')
    attempt(f'{name}, blackholed by the host itself', how, local + '3')
    attempt(f'{name}, thrown by the host itself', how, local + '4')
for name, host in [
    ('own address', own), ('no address', nobody), ('loopback', loopback), ('group', group),
    ('broadcast, or an address of a link', of_a_link), ('reserved', reserved),
]:
    attempt(f'{name}', connect, host)
    attempt(f'datagram, {name}', datagram, host)
