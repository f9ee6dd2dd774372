/* What no program should do, and some do: each call with no address, wrong descriptors, lengths without end, after a close, and from
 * two threads at once. None may crash, and each says by errno what Linux says. Compiled with the sanitizers where they are. */
#include "bowline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FAILS(call, number)                                                                                 \
    do {                                                                                                    \
        errno = 0;                                                                                          \
        long long got = (long long)(call);                                                                  \
        if (got != -1 || errno != (number)) {                                                               \
            fprintf(stderr, "line %d: %s: %lld, errno %d, not %s\n", __LINE__, #call, got, errno, #number); \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)
#define CHECK(what)                                                              \
    do {                                                                         \
        if (!(what)) {                                                           \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #what, errno); \
            exit(1);                                                             \
        }                                                                        \
    } while (0)

static struct bowline *host;
static char byte;
static struct iovec one = {&byte, 1};
static struct msghdr empty;
static struct pollfd pollfds[1];
static struct epoll_event event;
static struct sockaddr_storage address;

/* Every call on a descriptor, and what it says of one that is none. */
static void nobody(struct bowline *h, int fd, int number)
{
    int value = 0, fds[2];
    socklen_t len = sizeof value;
    socklen_t room = sizeof address;
    struct sockaddr_in at = {.sin_family = AF_INET};
    FAILS(bowline_bind(h, fd, (struct sockaddr *)&at, sizeof at), number);
    FAILS(bowline_listen(h, fd, 1), number);
    FAILS(bowline_accept(h, fd, (struct sockaddr *)&address, &room), number);
    FAILS(bowline_connect(h, fd, (struct sockaddr *)&at, sizeof at), number);
    FAILS(bowline_read(h, fd, &byte, 1), number);
    FAILS(bowline_readv(h, fd, &one, 1), number);
    FAILS(bowline_recv(h, fd, &byte, 1, 0), number);
    FAILS(bowline_recvfrom(h, fd, &byte, 1, 0, (struct sockaddr *)&address, &room), number);
    FAILS(bowline_recvmsg(h, fd, &empty, 0), number);
    FAILS(bowline_write(h, fd, &byte, 1), number);
    FAILS(bowline_writev(h, fd, &one, 1), number);
    FAILS(bowline_send(h, fd, &byte, 1, 0), number);
    FAILS(bowline_sendto(h, fd, &byte, 1, 0, (struct sockaddr *)&at, sizeof at), number);
    FAILS(bowline_sendmsg(h, fd, &empty, 0), number);
    FAILS(bowline_fcntl(h, fd, F_GETFL, 0), number);
    FAILS(bowline_ioctl(h, fd, FIONREAD, &value), number);
    FAILS(bowline_close(h, fd), number);
    FAILS(bowline_shutdown(h, fd, SHUT_RDWR), number);
    FAILS(bowline_getsockopt(h, fd, SOL_SOCKET, SO_ERROR, &value, &len), number);
    FAILS(bowline_setsockopt(h, fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value), number);
    FAILS(bowline_epoll_ctl(h, fd, EPOLL_CTL_ADD, fd, &event), number);
    FAILS(bowline_epoll_wait(h, fd, &event, 1, 0), number);
    FAILS(bowline_splice(h, fd, NULL, fd, NULL, 1, 0), number);
    if (number == EBADF)
        return;
    long long at_time;
    size_t count = 1;
    struct timeval time;
    FAILS(bowline_sysctl(h, "net.ipv4.tcp_sack", "1"), number);
    FAILS(bowline_count(h, "LISTEN", AF_UNSPEC), number);
    FAILS(bowline_socket(h, AF_INET, SOCK_STREAM, 0), number);
    FAILS(bowline_poll(h, pollfds, 1, 0), number);
    FAILS(bowline_epoll_create(h, 1), number);
    FAILS(bowline_pipe(h, fds), number);
    FAILS(bowline_netdev_send(h, &byte, 1), number);
    FAILS(bowline_netdev_receive(h, &byte, &count, &at_time), number);
    FAILS(bowline_netdev_poll(h, &byte, &count, &at_time), number);
    FAILS(bowline_usleep(h, 1), number);
    FAILS(bowline_gettimeofday(h, &time, NULL), number);
}

/* No address where there must be one. */
static void nowhere(int fd)
{
    int value = 1;
    socklen_t len = sizeof value;
    struct msghdr message = {.msg_iovlen = 1};
    FAILS(bowline_sysctl(host, "net.ipv4.tcp_sack", NULL), EFAULT);
    FAILS(bowline_count(host, NULL, AF_UNSPEC), EFAULT);
    FAILS(bowline_bind(host, fd, NULL, sizeof(struct sockaddr_in)), EFAULT);
    FAILS(bowline_connect(host, fd, NULL, sizeof(struct sockaddr_in)), EFAULT);
    FAILS(bowline_accept(host, fd, (struct sockaddr *)&address, NULL), EFAULT);
    FAILS(bowline_read(host, fd, NULL, 1), EFAULT);
    FAILS(bowline_readv(host, fd, NULL, 1), EFAULT);
    FAILS(bowline_recv(host, fd, NULL, 1, 0), EFAULT);
    FAILS(bowline_recvfrom(host, fd, &byte, 1, 0, (struct sockaddr *)&address, NULL), EFAULT);
    FAILS(bowline_recvmsg(host, fd, NULL, 0), EFAULT);
    FAILS(bowline_recvmsg(host, fd, &message, 0), EFAULT);
    FAILS(bowline_write(host, fd, NULL, 1), EFAULT);
    FAILS(bowline_writev(host, fd, NULL, 1), EFAULT);
    FAILS(bowline_send(host, fd, NULL, 1, 0), EFAULT);
    FAILS(bowline_sendmsg(host, fd, NULL, 0), EFAULT);
    FAILS(bowline_sendmsg(host, fd, &message, 0), EFAULT);
    FAILS(bowline_ioctl(host, fd, FIONREAD, NULL), EFAULT);
    FAILS(bowline_getsockopt(host, fd, SOL_SOCKET, SO_ERROR, NULL, &len), EFAULT);
    FAILS(bowline_getsockopt(host, fd, SOL_SOCKET, SO_ERROR, &value, NULL), EFAULT);
    FAILS(bowline_setsockopt(host, fd, SOL_SOCKET, SO_KEEPALIVE, NULL, sizeof value), EFAULT);
    FAILS(bowline_poll(host, NULL, 1, 0), EFAULT);
    FAILS(bowline_pipe(host, NULL), EFAULT);
    FAILS(bowline_netdev_send(host, NULL, 1), EFAULT);
    FAILS(bowline_netdev_poll(host, &byte, NULL, NULL), EFAULT);
    FAILS(bowline_gettimeofday(host, NULL, NULL), EFAULT);
}

/* Numbers that no memory holds, and those that no call knows. */
static void without_end(int fd)
{
    int value = 1;
    socklen_t len = UINT_MAX;
    struct iovec much[2] = {{&byte, SIZE_MAX}, {&byte, SIZE_MAX}};
    struct msghdr message = {.msg_iov = much, .msg_iovlen = SIZE_MAX};
    FAILS(bowline_bind(host, fd, (struct sockaddr *)&address, UINT_MAX), EINVAL);
    FAILS(bowline_bind(host, fd, (struct sockaddr *)&address, 0), EINVAL);
    FAILS(bowline_connect(host, fd, (struct sockaddr *)&address, UINT_MAX), EINVAL);
    FAILS(bowline_accept(host, fd, (struct sockaddr *)&address, &len), EINVAL);
    FAILS(bowline_readv(host, fd, much, INT_MAX), EINVAL);
    FAILS(bowline_readv(host, fd, much, -1), EINVAL);
    FAILS(bowline_readv(host, fd, much, 2), EINVAL);
    FAILS(bowline_writev(host, fd, much, 2), EINVAL);
    FAILS(bowline_recvmsg(host, fd, &message, 0), EMSGSIZE);
    FAILS(bowline_sendmsg(host, fd, &message, 0), EMSGSIZE);
    message = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_control = &byte, .msg_controllen = SIZE_MAX};
    FAILS(bowline_sendmsg(host, fd, &message, 0), ENOBUFS);
    message = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_name = &address, .msg_namelen = UINT_MAX};
    FAILS(bowline_sendmsg(host, fd, &message, 0), EINVAL);
    FAILS(bowline_write(host, fd, &byte, SIZE_MAX), EFAULT);
    FAILS(bowline_netdev_send(host, &byte, SIZE_MAX), EFAULT);
    FAILS(bowline_getsockopt(host, fd, SOL_SOCKET, SO_ERROR, &value, &len), EINVAL);
    FAILS(bowline_setsockopt(host, fd, SOL_SOCKET, SO_KEEPALIVE, &value, UINT_MAX), EINVAL);
    FAILS(bowline_setsockopt(host, fd, SOL_SOCKET, SO_KEEPALIVE, &value, 1), EINVAL);
    FAILS(bowline_setsockopt(host, fd, SOL_SOCKET, -1, &value, sizeof value), ENOPROTOOPT);
    FAILS(bowline_poll(host, pollfds, ULONG_MAX, 0), EINVAL);
    FAILS(bowline_shutdown(host, fd, 77), EINVAL);
    FAILS(bowline_socket(host, 77, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(bowline_fcntl(host, fd, 7777, LONG_MIN), EINVAL);
    FAILS(bowline_ioctl(host, fd, ULONG_MAX, &value), ENOTTY);
    FAILS(bowline_epoll_create(host, -1), EINVAL);
    int epoll = bowline_epoll_create(host, 1);
    CHECK(epoll >= 0);
    FAILS(bowline_epoll_wait(host, epoll, &event, 0, 0), EINVAL);
    FAILS(bowline_epoll_wait(host, epoll, &event, -1, 0), EINVAL);
    FAILS(bowline_epoll_ctl(host, epoll, 77, fd, &event), EINVAL);
    FAILS(bowline_epoll_ctl(host, epoll, EPOLL_CTL_ADD, fd, NULL), EFAULT);
    CHECK(bowline_close(host, epoll) == 0);
    /* Packets of any length, and what is none. */
    static unsigned char noise[1 << 17];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(i * 37 + 0x45);
    for (size_t size = 0; size <= sizeof noise; size = size * 3 / 2 + 1)
        CHECK(bowline_netdev_send(host, noise, size) == 0);
}

static int contested;

/* Two threads do all of it with the same descriptors; what each call says depends on the other one. */
static void *fight(void *seed)
{
    unsigned int random = (unsigned int)(size_t)seed;
    for (int i = 0; i < 2000; i++) {
        int fd = __atomic_load_n(&contested, __ATOMIC_RELAXED);
        int made, value = 1, fds[2];
        socklen_t len = sizeof value;
        unsigned char packet[2048];
        size_t count = sizeof packet;
        long long at;
        random = random * 1103515245 + 12345;
        switch (random >> 16 & 15) {
        case 0:
        case 1:
            made = bowline_socket(host, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            CHECK(made >= 0);
            __atomic_store_n(&contested, made, __ATOMIC_RELAXED);
            break;
        case 2:
        case 3: bowline_close(host, fd); break;
        case 4: bowline_listen(host, fd, 1); break;
        case 5: bowline_accept(host, fd, NULL, NULL); break;
        case 6: {
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
            to.sin_addr.s_addr = htonl(0xc0000201);
            bowline_connect(host, fd, (struct sockaddr *)&to, sizeof to);
            break;
        }
        case 7: bowline_write(host, fd, &value, sizeof value); break;
        case 8: bowline_read(host, fd, &value, sizeof value); break;
        case 9: bowline_getsockopt(host, fd, IPPROTO_TCP, TCP_NODELAY, &value, &len); break;
        case 10: bowline_usleep(host, 1000); break;
        case 11: bowline_netdev_poll(host, packet, &count, &at); break;
        case 12: bowline_shutdown(host, fd, SHUT_WR); break;
        case 13:
            CHECK(bowline_pipe(host, fds) == 0 && bowline_close(host, fds[0]) == 0 && bowline_close(host, fds[1]) == 0);
            break;
        case 14: {
            struct pollfd both = {.fd = fd, .events = POLLIN | POLLOUT};
            bowline_poll(host, &both, 1, 0);
            break;
        }
        default: bowline_setsockopt(host, fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value);
        }
    }
    return NULL;
}

static void *reads(void *fd)
{
    return (void *)(long)(bowline_read(host, *(int *)fd, &byte, 1) == -1 ? errno : 0);
}

int main(void)
{
    nobody(NULL, 0, EINVAL);
    bowline_free(NULL);
    host = bowline_new("local=192.0.2.1");
    CHECK(host);
    nobody(host, -1, EBADF);
    nobody(host, INT_MAX, EBADF);
    nobody(host, STDERR_FILENO, EBADF);
    int fd = bowline_socket(host, AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    nowhere(fd);
    without_end(fd);
    CHECK(bowline_close(host, fd) == 0);
    nobody(host, fd, EBADF);

    /* One reads while the other closes. */
    int ends[2];
    CHECK(bowline_pipe(host, ends) == 0);
    pthread_t threads[2];
    CHECK(pthread_create(&threads[0], NULL, reads, &ends[0]) == 0);
    void *said;
    CHECK(bowline_close(host, ends[0]) == 0);
    CHECK(pthread_join(threads[0], &said) == 0);
    CHECK((long)said == EBADF);
    CHECK(bowline_close(host, ends[1]) == 0);

    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, fight, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    bowline_free(host);
    return 0;
}
