/* Two hosts and a wire: what a program in C does with them. Prints nothing and ends with 0 where all is well. */
#include "bowline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define CHECK(what)                                                              \
    do {                                                                         \
        if (!(what)) {                                                           \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #what, errno); \
            exit(1);                                                             \
        }                                                                        \
    } while (0)

static struct bowline *client, *server;

/* Moves packets until none is left. */
static void pump(void)
{
    static unsigned char packet[65536];
    struct bowline *pair[2] = {client, server};
    for (int quiet = 0; quiet < 2;) {
        for (int side = 0; side < 2; side++) {
            size_t count = sizeof packet;
            long long at;
            CHECK(bowline_netdev_poll(pair[side], packet, &count, &at) == 0);
            quiet = count ? 0 : quiet + 1;
            if (count)
                CHECK(bowline_netdev_send(pair[1 - side], packet, count) == 0);
        }
    }
}

static void *accepts(void *listener)
{
    return (void *)(long)bowline_accept(server, *(int *)listener, NULL, NULL);
}

int main(void)
{
    CHECK(bowline_new("profile=nonsense") == NULL && errno == EINVAL);
    CHECK(bowline_socket(NULL, AF_INET, SOCK_STREAM, 0) == -1 && errno == EINVAL);
    client = bowline_new("local=192.0.2.1");
    server = bowline_new("profile=linux,local=192.0.2.2");
    CHECK(client && server);

    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    CHECK(inet_pton(AF_INET, "192.0.2.2", &at.sin_addr) == 1);
    int listener = bowline_socket(server, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(listener >= 0);
    CHECK(bowline_bind(server, listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(bowline_listen(server, listener, 1) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, accepts, &listener) == 0);

    int out = bowline_socket(client, AF_INET, SOCK_STREAM, 0);
    CHECK(bowline_fcntl(client, out, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
    CHECK(bowline_fcntl(client, out, F_GETFL, 0) == (O_RDWR | O_NONBLOCK));
    CHECK(bowline_connect(client, out, (struct sockaddr *)&at, sizeof at) == -1 && errno == EINPROGRESS);
    pump();
    CHECK(bowline_connect(client, out, (struct sockaddr *)&at, sizeof at) == 0);
    void *accepted;
    CHECK(pthread_join(thread, &accepted) == 0);
    int in = (int)(long)accepted;
    CHECK(in >= 0);

    struct iovec parts[2] = {{"hello ", 6}, {"world", 5}};
    CHECK(bowline_writev(client, out, parts, 2) == 11);
    pump();
    int waits = 0;
    CHECK(bowline_ioctl(server, in, SIOCINQ, &waits) == 0 && waits == 11);
    struct pollfd ready = {.fd = in, .events = POLLIN, .revents = -1};
    CHECK(bowline_poll(server, &ready, 1, 0) == 1 && ready.revents == POLLIN);
    char text[8] = "", rest[8] = "";
    struct iovec room[2] = {{text, 6}, {rest, 8}};
    struct msghdr message = {.msg_iov = room, .msg_iovlen = 2};
    CHECK(bowline_recvmsg(server, in, &message, 0) == 11);
    CHECK(!memcmp(text, "hello ", 6) && !memcmp(rest, "world", 5));

    struct tcp_info info;
    socklen_t len = sizeof info;
    CHECK(bowline_getsockopt(server, in, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    CHECK(len == sizeof info && info.tcpi_state == TCP_ESTABLISHED);
    CHECK(getsockopt(in, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_ESTABLISHED);

    struct timeval before, after;
    CHECK(bowline_gettimeofday(server, &before, NULL) == 0);
    CHECK(bowline_usleep(server, 1500000) == 0);
    CHECK(bowline_gettimeofday(server, &after, NULL) == 0);
    timersub(&after, &before, &after);
    CHECK(after.tv_sec == 1 && after.tv_usec == 500001);

    CHECK(bowline_count(client, "ESTABLISHED", AF_UNSPEC) == 1 && bowline_count(client, "TIME-WAIT", AF_INET) == 0);
    CHECK(bowline_count(client, "ASLEEP", AF_UNSPEC) == -1 && errno == EINVAL);
    CHECK(bowline_sysctl(client, "net.ipv4.tcp_sack", "0") == 0);
    CHECK(bowline_sysctl(client, "net.ipv4.tcp_sack", "few") == -1 && errno == EINVAL);
    CHECK(bowline_sysctl(client, "net.ipv4.tcp_sacks", "0") == -1 && errno == ENOENT);
    CHECK(bowline_sysctl(client, "net.ipv4.tcp_dsack", "0") == -1 && errno == EOPNOTSUPP);
    CHECK(bowline_sysctl(client, "net.ipv4.ip_local_port_range", "1 9") == -1 && errno == EPERM);
    CHECK(bowline_sysctl(client, NULL, "0") == -1 && errno == EFAULT);

    CHECK(bowline_close(client, out) == 0);
    CHECK(bowline_read(client, out, text, 1) == -1 && errno == EBADF);
    pump();
    CHECK(bowline_read(server, in, text, 8) == 0);
    CHECK(bowline_close(server, in) == 0 && bowline_close(server, listener) == 0);
    bowline_free(client);
    bowline_free(server);
    return 0;
}
