/* Bowline's sockets for C: BSD-shaped calls over a userspace TCP/IP stack, in virtual time.
 *
 * A host is made by bowline_new and takes the calls of the C library with itself before their arguments. Each returns what the
 * call of that name returns, or -1 with errno. Descriptors are real ones, of no use but as names. Packets are raw IP; they come
 * and go by bowline_netdev_*. The clock is the host's own: it moves by bowline_usleep, bowline_netdev_receive, and a microsecond
 * by each bowline_gettimeofday.
 *
 * A host may be used by several threads. A call that has to wait sleeps until a packet, the clock or another call lets it go on,
 * which takes another thread; with O_NONBLOCK no call waits.
 */
#ifndef BOWLINE_H
#define BOWLINE_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A host with sockets. */
struct bowline;

/* Flags, separated by commas: profile=bowline|linux|freebsd, local=ADDRESS (more than once), anyip=on|off, mtu=BYTES,
 * gso=on|off, pacing=on|off, sysctl.NAME=VALUE (by Linux's names or FreeBSD's). NULL or "": the defaults. NULL is returned where they
 * say nothing that is known; what is wrong stands on the standard error. */
struct bowline *bowline_new(const char *flags);
/* Gives a host back. No call on it may be under way. */
void bowline_free(struct bowline *host);
/* Sets what sockets made from now on start with, as "sysctl name=value" does. ENOENT: no such setting here; EINVAL: no such value;
 * EOPNOTSUPP: the stack behaves otherwise; EPERM: only bowline_new takes it. */
int bowline_sysctl(struct bowline *host, const char *name, const char *value);
/* How many connections are in a state ("TIME-WAIT", "LISTEN"), of AF_INET, AF_INET6, or with AF_UNSPEC of both. */
int bowline_count(struct bowline *host, const char *state, int family);

int bowline_socket(struct bowline *host, int domain, int type, int protocol);
int bowline_bind(struct bowline *host, int fd, const struct sockaddr *address, socklen_t len);
int bowline_listen(struct bowline *host, int fd, int backlog);
int bowline_accept(struct bowline *host, int fd, struct sockaddr *address, socklen_t *len);
int bowline_connect(struct bowline *host, int fd, const struct sockaddr *address, socklen_t len);
ssize_t bowline_read(struct bowline *host, int fd, void *buffer, size_t len);
ssize_t bowline_readv(struct bowline *host, int fd, const struct iovec *buffers, int count);
ssize_t bowline_recv(struct bowline *host, int fd, void *buffer, size_t len, int flags);
ssize_t bowline_recvfrom(struct bowline *host, int fd, void *buffer, size_t len, int flags, struct sockaddr *address,
                         socklen_t *address_len);
ssize_t bowline_recvmsg(struct bowline *host, int fd, struct msghdr *message, int flags);
ssize_t bowline_write(struct bowline *host, int fd, const void *buffer, size_t len);
ssize_t bowline_writev(struct bowline *host, int fd, const struct iovec *buffers, int count);
ssize_t bowline_send(struct bowline *host, int fd, const void *buffer, size_t len, int flags);
ssize_t bowline_sendto(struct bowline *host, int fd, const void *buffer, size_t len, int flags,
                       const struct sockaddr *address, socklen_t address_len);
ssize_t bowline_sendmsg(struct bowline *host, int fd, const struct msghdr *message, int flags);
int bowline_fcntl(struct bowline *host, int fd, int command, long argument);
int bowline_ioctl(struct bowline *host, int fd, unsigned long request, void *argument);
int bowline_close(struct bowline *host, int fd);
int bowline_shutdown(struct bowline *host, int fd, int how);
int bowline_getsockopt(struct bowline *host, int fd, int level, int name, void *value, socklen_t *len);
int bowline_setsockopt(struct bowline *host, int fd, int level, int name, const void *value, socklen_t len);
int bowline_poll(struct bowline *host, struct pollfd *fds, nfds_t count, int timeout);
int bowline_epoll_create(struct bowline *host, int size);
int bowline_epoll_ctl(struct bowline *host, int epoll, int op, int fd, struct epoll_event *event);
int bowline_epoll_wait(struct bowline *host, int epoll, struct epoll_event *events, int max, int timeout);
int bowline_pipe(struct bowline *host, int fds[2]);
/* Sockets and pipes have no offsets: NULL and 0 are none, others fail with ESPIPE. */
ssize_t bowline_splice(struct bowline *host, int from, int64_t *from_offset, int to, int64_t *to_offset, size_t len,
                       unsigned int flags);

/* A packet arrives. */
int bowline_netdev_send(struct bowline *host, const void *packet, size_t len);
/* The next packet to leave. *count holds the room, and then the length; *micros is when it left. Time passes until there is one; a
 * length of 0 means that none will leave by itself. */
int bowline_netdev_receive(struct bowline *host, void *packet, size_t *count, long long *micros);
/* The same without waiting; a length of 0 means that none has left. */
int bowline_netdev_poll(struct bowline *host, void *packet, size_t *count, long long *micros);

/* The clock. */
int bowline_usleep(struct bowline *host, unsigned int micros);
int bowline_gettimeofday(struct bowline *host, struct timeval *time, void *zone);

/* The packetdrill tool's table; see its documentation for the struct. */
struct packetdrill_interface;
void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table);

#ifdef __cplusplus
}
#endif

#endif
