/*
 * fan.c - load for a relay: one channel, one who speaks, many who listen.
 *
 *	fan [-lz] [-m members] [-b bytes] [-i idle] [-d seconds] -s PID PORT
 *
 * Without -l the speaker keeps WINDOW messages on their way: the next goes out
 * when all members have one more, so nobody is ever further behind than that
 * and a relay has no reason to drop anybody. With -l a message goes out every
 * 2 ms and each delivery is timed. -b: bytes of a message. -i: so many more
 * sessions that do nothing. -z: one more member, which reads nothing; it is an
 * error if the relay doesn't cut it off.
 * PID is the relay's, whose processor time and memory are read.
 *
 * One thread, one epoll set, 127.0.0.1 only. A lost message is exit 1.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define WINDOW		256
#define PERIOD_NS	2000000
#define RECV_MAX	(1 << 18)
#define SAMPLES_MAX	(1 << 22)
#define TEXT_MAX	4000
#define OPEN_AT_ONCE	12	/* of silent ones a relay takes 16 */
#define STALLED_NS	10000000000

struct member {
	int		 fd;
	int		 rcvbuf;	/* bytes; 0: the system's */
	uint64_t	 heard;		/* messages */
	char		*rest;		/* of a frame that came in part */
	size_t		 rest_len;
};

static struct member *members;
static int count = 100, idle, size = 100;
static int epoll_fd;
static uint64_t slowest;	/* heard by every member */
static uint64_t deliveries;
static bool timed;
static int64_t *samples;
static size_t nsamples;

/* ---- WebSocket, as little as it takes */

static void
send_text(int fd, const char *text, size_t len)
{
	/* A mask of zeros is a mask. */
	unsigned char frame[TEXT_MAX + 512] = { 0x81, (unsigned char)(0x80 | 126),
	    (unsigned char)(len >> 8), (unsigned char)len };
	size_t at = 0, end = len + 8;

	memcpy(frame + 8, text, len);
	while (at < end) {
		ssize_t n = send(fd, frame + at, end - at, MSG_NOSIGNAL);

		if (n == -1 && errno != EAGAIN && errno != EINTR)
			err(1, "send");
		at += n > 0 ? (size_t)n : 0;
	}
}

static int
dial(int port, int rcvbuf)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char hello[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (rcvbuf != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (fd == -1 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) == -1)
		err(1, "send");
	return fd;
}

/* Read until what has come holds text; blocks. */
static void
expect(int fd, const char *text)
{
	char got[4096];
	size_t len = 0;
	ssize_t n;

	do {
		if (len > sizeof(got) / 2) {
			/* A roster: only its end matters. */
			memmove(got, got + len - 64, 64);
			len = 64;
		}
		n = recv(fd, got + len, sizeof(got) - len, 0);
		if (n <= 0)
			errx(1, "the relay hung up before %s came", text);
		len += (size_t)n;
	} while (memmem(got, len, text, strlen(text)) == NULL);
}

/* Sessions in portions, so that a relay's limit of silent ones holds. */
static void
open_all(int port, struct member *m, int n, const char *join)
{
	static const char identify[] =
	    "{\"type\":\"IDENTIFY\",\"name\":\"bench\"}";

	for (int at = 0; at < n; at += OPEN_AT_ONCE) {
		int end = at + OPEN_AT_ONCE < n ? at + OPEN_AT_ONCE : n;

		for (int i = at; i < end; i++)
			m[i].fd = dial(port, m[i].rcvbuf);
		for (int i = at; i < end; i++) {
			expect(m[i].fd, "\r\n\r\n");
			send_text(m[i].fd, identify, sizeof(identify) - 1);
		}
		for (int i = at; i < end; i++) {
			expect(m[i].fd, "WELCOME");
			if (join != NULL)
				send_text(m[i].fd, join, strlen(join));
		}
	}
}

/* ---- members */

static void
take_message(struct member *m, const char *p, size_t len)
{
	const char *at;

	if (memmem(p, len < 64 ? len : 64, "\"MSG\"", 5) == NULL)
		return;		/* somebody came */
	m->heard++;
	deliveries++;
	if (!timed || nsamples == SAMPLES_MAX)
		return;
	at = memmem(p, len, "\"content\":\"", 11);
	if (at != NULL)
		samples[nsamples++] = now_ns() - strtoll(at + 11, NULL, 10);
}

/* Whole frames; how many bytes they were. */
static size_t
take_frames(struct member *m, const char *p, size_t len)
{
	size_t at = 0;

	while (len - at >= 2) {
		const unsigned char *h = (const unsigned char *)p + at;
		size_t head = 2, body = h[1] & 0x7f;

		if (body == 126) {
			if (len - at < 4)
				break;
			head = 4;
			body = (size_t)h[2] << 8 | h[3];
		} else if (body == 127) {
			if (len - at < 10)
				break;
			head = 10;
			body = 0;
			for (int i = 2; i < 10; i++)
				body = body << 8 | h[i];
		}
		if (len - at < head + body)
			break;
		if ((h[0] & 0x0f) == 1)
			take_message(m, p + at + head, body);
		at += head + body;
	}
	return at;
}

static void
read_member(struct member *m)
{
	static char in[RECV_MAX];
	size_t len = m->rest_len, used;
	ssize_t n;

	if (len != 0)
		memcpy(in, m->rest, len);
	n = recv(m->fd, in + len, sizeof(in) - len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		errx(1, "the relay hung up on a member");
	len += (size_t)n;
	used = take_frames(m, in, len);
	m->rest_len = len - used;
	if (m->rest_len == 0)
		return;
	m->rest = realloc(m->rest, m->rest_len);
	if (m->rest == NULL)
		err(1, NULL);
	memcpy(m->rest, in + used, m->rest_len);
}

static void
find_slowest(void)
{
	slowest = UINT64_MAX;
	for (int i = 0; i < count; i++)
		if (members[i].heard < slowest)
			slowest = members[i].heard;
}

static void
turn(int wait_ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(epoll_fd, ev, 256, wait_ms);

	for (int i = 0; i < n; i++)
		read_member(ev[i].data.ptr);
	if (n > 0)
		find_slowest();
}

/* ---- the runs */

static void
speak(void)
{
	static char text[TEXT_MAX + 256];
	int n = snprintf(text, sizeof(text), "{\"type\":\"MSG\",\"to\":"
	    "\"#bench\",\"content\":\"%lld %0*d\"}", (long long)now_ns(),
	    size, 0);

	send_text(members[0].fd, text, (size_t)n);
}

static void
run(double seconds)
{
	int64_t now = now_ns(), next = now, heard_at = now;
	int64_t end = now + (int64_t)(seconds * 1e9);
	uint64_t sent = 0, before = 0;

	slowest = 0;
	for (int i = 0; i < count; i++)
		members[i].heard = 0;
	while (slowest < sent || now_ns() < end) {
		now = now_ns();
		if (now < end && timed && now >= next) {
			speak();
			sent++;
			next += PERIOD_NS;
		}
		while (now < end && !timed && sent - slowest < WINDOW) {
			speak();
			sent++;
		}
		/* Timed: spin, so that waking up is not measured. */
		turn(timed ? 0 : 100);
		if (slowest != before)
			heard_at = now_ns();
		before = slowest;
		if (slowest < sent && now_ns() - heard_at > STALLED_NS)
			errx(1, "%llu of %llu messages came",
			    (unsigned long long)slowest,
			    (unsigned long long)sent);
	}
}

static double
cpu_seconds(int pid)
{
	char path[64];
	long utime = 0, stime = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u "
	    "%*u %*u %*u %*u %ld %ld", &utime, &stime) != 2)
		errx(1, "%s can't be read", path);
	fclose(f);
	return (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
}

static double
resident_kb(int pid)
{
	char path[64];
	long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		errx(1, "%s can't be read", path);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* It has read nothing: has the relay hung up? */
static void
expect_cut_off(int fd)
{
	static char in[RECV_MAX];
	struct timeval patience = { .tv_sec = STALLED_NS / 1000000000 };
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do
		n = recv(fd, in, sizeof(in), 0);
	while (n > 0);
	if (n == -1 && errno != ECONNRESET)
		errx(1, "who reads nothing is still connected");
	close(fd);
}

static void
open_idle(int port, int pid)
{
	struct member *all = calloc((size_t)idle, sizeof(*all));
	double kb = resident_kb(pid);
	int64_t begun = now_ns();

	if (all == NULL)
		err(1, NULL);
	open_all(port, all, idle, NULL);
	say_rate("connections", idle, begun);
	say("memory per connection", (resident_kb(pid) - kb) / idle, "KB");
	free(all);		/* the sockets stay open */
}

static const char join[] = "{\"type\":\"JOIN\",\"channel\":\"#bench\"}";

static void
open_members(int port)
{
	int64_t begun = now_ns();

	open_all(port, members, count, join);
	for (int i = 0; i < count; i++) {
		struct epoll_event ev = { .events = EPOLLIN,
		    .data.ptr = &members[i] };

		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, members[i].fd, &ev))
			err(1, "epoll_ctl");
	}
	timed = false;
	/* The first message comes behind all that joining makes. */
	speak();
	while (slowest < 1)
		turn(100);
	say_rate("joins", count, begun);
}

int
main(int argc, char **argv)
{
	static const char usage[] =
	    "fan [-lz] [-m members] [-b bytes] [-i idle] [-d seconds] "
	    "-s PID PORT";
	static const char create[] =
	    "{\"type\":\"CREATE_CHANNEL\",\"channel\":\"#bench\"}";
	struct rlimit rl;
	struct member maker = { 0 }, lazy = { .rcvbuf = 4096 };
	double seconds = 2, cpu;
	int c, pid = 0, port;
	bool latency = false, stalled = false;
	int64_t begun;

	while ((c = getopt(argc, argv, "lzm:b:i:d:s:")) != -1) {
		switch (c) {
		case 'l': latency = true; break;
		case 'z': stalled = true; break;
		case 'b': size = atoi(optarg); break;
		case 'm': count = atoi(optarg); break;
		case 'i': idle = atoi(optarg); break;
		case 'd': seconds = atof(optarg); break;
		case 's': pid = atoi(optarg); break;
		default: errx(2, "%s", usage);
		}
	}
	if (optind + 1 != argc || pid <= 0 || count < 1 || size < 1 ||
	    size > TEXT_MAX)
		errx(2, "%s", usage);
	port = atoi(argv[optind]);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	members = calloc((size_t)count, sizeof(*members));
	samples = malloc(SAMPLES_MAX * sizeof(*samples));
	if (epoll_fd == -1 || members == NULL || samples == NULL)
		err(1, NULL);
	if (idle > 0)
		open_idle(port, pid);
	open_all(port, &maker, 1, create);
	expect(maker.fd, "JOINED");
	close(maker.fd);
	open_members(port);
	if (stalled)
		open_all(port, &lazy, 1, join);
	timed = latency;
	deliveries = 0;
	cpu = cpu_seconds(pid);
	begun = now_ns();
	run(seconds);
	if (!latency)
		say_rate("deliveries", (int64_t)deliveries, begun);
	cpu = cpu_seconds(pid) - cpu;
	if (cpu > 0)
		say("deliveries per second of the relay's processor",
		    (double)deliveries / cpu, "");
	say_latency("delivery", samples, nsamples);
	if (stalled)
		expect_cut_off(lazy.fd);
	return 0;
}
