// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"
#include "host/http_server.h"
#include "host/privilege.h"

#define SECOND_NS 1000000000ULL

/* The time a client has to send its request, to read the answer, and to close the connection. */
#define READ_NS	 (5 * SECOND_NS)
#define WRITE_NS (10 * SECOND_NS)
#define DRAIN_NS (1 * SECOND_NS)

/*
 * A silent client, or a slow reader, is left alone for so long. After that it may make room for
 * others.
 */
#define SILENT_NS (SECOND_NS / 10)
#define SLOW_NS	  (1 * SECOND_NS)

/* Bytes that are read and ignored after a request was answered. More of them end the connection. */
#define DRAIN_BYTES 262144

/* The pause after no more connections could be accepted. */
#define REST_MS 100

#define ANSWER_HEAD_BYTES 256

#define PLAIN_TYPE	 "text/plain; charset=utf-8"
#define TEXT_TYPE	 "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const char help[] = "tcpdwell export: /metrics in the formats of Prometheus and "
			   "OpenMetrics, /healthz; see tcpdwell(8)\n";

/* A page that several connections may be sending. */
struct shared_page {
	struct http_page page;
	uint64_t made_ns;
	unsigned int refs; /* under the server's lock */
};

enum stage { FREE, READING, WRITING, DRAINING };

struct connection {
	enum stage stage;
	int fd;
	uint64_t since_ns;	  /* start of this stage */
	size_t len;		  /* bytes of the request, or bytes that were drained */
	struct shared_page *page; /* the page of the body, or NULL */
	char head[ANSWER_HEAD_BYTES];
	const char *text; /* the text of the body */
	struct http_body body;
	size_t head_len, body_len, sent;
	char request[HTTP_HEAD_BYTES];
};

struct http_server {
	int listener;
	int stop; /* an eventfd */
	uint64_t fresh_ns;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	struct shared_page *page; /* under the lock; NULL: no page yet */
	bool rests;		  /* for a moment no more connections can be accepted */
	struct connection connections[HTTP_SERVER_CONNECTIONS];
};

/* ---- Pages ----------------------------------------------------------------------------------- */

static struct shared_page *page_take(struct http_server *s)
{
	struct shared_page *page;

	pthread_mutex_lock(&s->lock);
	page = s->page;
	if (page)
		page->refs++;
	pthread_mutex_unlock(&s->lock);
	return page;
}

/* NULL-safe. */
static void page_drop(struct http_server *s, struct shared_page *page)
{
	bool last;

	if (!page)
		return;
	pthread_mutex_lock(&s->lock);
	last = !--page->refs;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	free(page->page.text);
	free(page);
}

int http_server_publish(struct http_server *s, const struct http_page *page)
{
	struct shared_page *fresh = malloc(sizeof(*fresh)), *old;

	if (!fresh)
		return -ENOMEM;
	*fresh = (struct shared_page){ .page = *page, .made_ns = clock_now_ns(), .refs = 1 };
	pthread_mutex_lock(&s->lock);
	old = s->page;
	s->page = fresh;
	pthread_mutex_unlock(&s->lock);
	page_drop(s, old);
	return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void enter(struct connection *c, enum stage stage)
{
	c->stage = stage;
	c->since_ns = clock_now_ns();
}

static void answer(struct connection *c, const char *status, const char *type, const char *text,
		   const struct http_body *body, bool only_head)
{
	size_t len = 0;

	for (unsigned int i = 0; i < body->count; i++)
		len += body->pieces[i].len;
	c->head_len = snprintf(c->head, sizeof(c->head),
			       "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			       "Connection: close\r\n\r\n",
			       status, type, len);
	c->text = text;
	c->body = *body;
	c->body_len = only_head ? 0 : len;
	c->sent = 0;
	enter(c, WRITING);
}

static void answer_text(struct connection *c, const char *status, const char *text, bool only_head)
{
	const struct http_body body = { 1, { { 0, strlen(text) } } };

	answer(c, status, PLAIN_TYPE, text, &body, only_head);
}

static void answer_metrics(struct http_server *s, struct connection *c,
			   const struct http_request *request)
{
	bool only_head = request->method == HTTP_HEAD;
	const struct http_page *page;

	c->page = page_take(s);
	if (!c->page) {
		answer_text(c, "503 Service Unavailable", "there was no look yet\n", only_head);
		return;
	}
	page = &c->page->page;
	if (request->openmetrics)
		answer(c, "200 OK", OPENMETRICS_TYPE, page->text, &page->openmetrics, only_head);
	else
		answer(c, "200 OK", TEXT_TYPE, page->text, &page->plain, only_head);
}

static void answer_health(struct http_server *s, struct connection *c, bool only_head)
{
	struct shared_page *page = page_take(s);
	bool fresh = page && clock_now_ns() - page->made_ns <= s->fresh_ns;

	page_drop(s, page);
	if (fresh)
		answer_text(c, "200 OK", "ok\n", only_head);
	else
		answer_text(c, "503 Service Unavailable", "the last look is too old\n", only_head);
}

static void answer_request(struct http_server *s, struct connection *c,
			   const struct http_request *request)
{
	bool only_head = request->method == HTTP_HEAD;

	if (request->method == HTTP_OTHER)
		answer_text(c, "405 Method Not Allowed", "GET and HEAD alone\n", false);
	else if (!strcmp(request->path, "/metrics"))
		answer_metrics(s, c, request);
	else if (!strcmp(request->path, "/healthz"))
		answer_health(s, c, only_head);
	else if (!strcmp(request->path, "/"))
		answer_text(c, "200 OK", help, only_head);
	else
		answer_text(c, "404 Not Found", help, only_head);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void end(struct http_server *s, struct connection *c)
{
	close(c->fd);
	page_drop(s, c->page);
	c->page = NULL;
	c->stage = FREE;
}

/* Returns true if @got, from a call that failed, says that there is nothing to do now. */
static bool is_later(ssize_t got)
{
	return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static void go_on(struct http_server *s, struct connection *c);

static void read_request(struct http_server *s, struct connection *c)
{
	struct http_request request;
	ssize_t got = recv(c->fd, c->request + c->len, sizeof(c->request) - c->len, 0);

	if (is_later(got))
		return;
	if (got <= 0) {
		end(s, c);
		return;
	}
	c->len += got;
	switch (http_parse(c->request, c->len, &request)) {
	case HTTP_MORE:
		return;
	case HTTP_READY:
		answer_request(s, c, &request);
		break;
	case HTTP_BAD:
		if (c->len == sizeof(c->request))
			answer_text(c, "431 Request Header Fields Too Large", "too long\n", false);
		else
			answer_text(c, "400 Bad Request", "no request of HTTP/1.x\n", false);
		break;
	}
	go_on(s, c);
}

/* Reads and drops what came after the request. Otherwise closing would also drop the answer. */
static void drain(struct http_server *s, struct connection *c)
{
	ssize_t got = recv(c->fd, c->request, sizeof(c->request), 0);

	if (is_later(got))
		return;
	c->len += got > 0 ? got : 0;
	if (got <= 0 || c->len > DRAIN_BYTES)
		end(s, c);
}

/* Sends a part of what is next, head or piece. Returns what send(2) returns. */
static ssize_t send_next(const struct connection *c)
{
	size_t at = c->sent - c->head_len;
	unsigned int i = 0;

	if (c->sent < c->head_len)
		return send(c->fd, c->head + c->sent, c->head_len - c->sent,
			    MSG_NOSIGNAL | (c->body_len ? MSG_MORE : 0));
	for (; at >= c->body.pieces[i].len; i++)
		at -= c->body.pieces[i].len;
	return send(c->fd, c->text + c->body.pieces[i].at + at, c->body.pieces[i].len - at,
		    MSG_NOSIGNAL | (i + 1 < c->body.count ? MSG_MORE : 0));
}

static void write_answer(struct http_server *s, struct connection *c)
{
	while (c->sent < c->head_len + c->body_len) {
		ssize_t sent = send_next(c);

		if (is_later(sent))
			return;
		if (sent <= 0) {
			end(s, c);
			return;
		}
		c->sent += sent;
	}
	page_drop(s, c->page);
	c->page = NULL;
	shutdown(c->fd, SHUT_WR);
	c->len = 0;
	enter(c, DRAINING);
}

static void go_on(struct http_server *s, struct connection *c)
{
	if (c->stage == READING)
		read_request(s, c);
	else if (c->stage == WRITING)
		write_answer(s, c);
	else if (c->stage == DRAINING)
		drain(s, c);
}

static uint64_t end_ns(const struct connection *c)
{
	static const uint64_t limits[] = {
		[READING] = READ_NS, [WRITING] = WRITE_NS, [DRAINING] = DRAIN_NS
	};

	return c->since_ns + limits[c->stage];
}

/* ---- Places ---------------------------------------------------------------------------------- */

/*
 * Returns how well a place suits a new connection: a free one best, then one whose client has the
 * answer, is silent, or is slow. 0: none of these.
 */
static unsigned int worth(const struct connection *c, uint64_t now_ns)
{
	uint64_t past_ns = now_ns - c->since_ns;

	switch (c->stage) {
	case FREE:
		return 4;
	case DRAINING:
		return 3;
	case READING:
		return past_ns > SILENT_NS ? 2 : 0;
	case WRITING:
		return past_ns > SLOW_NS ? 1 : 0;
	}
	return 0;
}

/* Returns the oldest of the places that suit best, or NULL if all are in proper use. */
static struct connection *find_place(struct http_server *s)
{
	struct connection *best = NULL;
	uint64_t now_ns = clock_now_ns();
	unsigned int most = 1;

	for (unsigned int i = 0; i < HTTP_SERVER_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];
		unsigned int is_worth = worth(c, now_ns);

		if (is_worth < most || (best && is_worth == most && c->since_ns >= best->since_ns))
			continue;
		best = c;
		most = is_worth;
	}
	return best;
}

/*
 * Accepts connections. Each one is read at once, so a client that has already asked gets its answer
 * before it is in the way of others.
 */
static void accept_some(struct http_server *s)
{
	for (unsigned int i = 0; i < HTTP_SERVER_CONNECTIONS; i++) {
		struct connection *c = find_place(s);
		int fd = c ? accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;

		if (fd < 0) {
			s->rests = !c ||
				   (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED);
			return;
		}
		if (c->stage != FREE)
			end(s, c);
		c->fd = fd;
		c->len = 0;
		enter(c, READING);
		go_on(s, c);
	}
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* Fills @fds for the connections that exist. Returns how many milliseconds poll() waits. */
static int prepare(struct http_server *s, struct pollfd *fds)
{
	uint64_t now_ns = clock_now_ns(), until_ns = UINT64_MAX;

	for (unsigned int i = 0; i < HTTP_SERVER_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (c->stage != FREE && end_ns(c) <= now_ns)
			end(s, c);
		fds[i] = (struct pollfd){
			.fd = c->stage == FREE ? -1 : c->fd,
			.events = c->stage == WRITING ? POLLOUT : POLLIN,
		};
		if (c->stage != FREE && end_ns(c) < until_ns)
			until_ns = end_ns(c);
	}
	if (s->rests)
		return REST_MS;
	return until_ns == UINT64_MAX ? -1 : (int)((until_ns - now_ns) / 1000000 + 1);
}

static void *serve(void *argument)
{
	struct pollfd fds[HTTP_SERVER_CONNECTIONS + 2];
	struct pollfd *listener = &fds[HTTP_SERVER_CONNECTIONS], *stop = listener + 1;
	struct http_server *s = argument;

	for (;;) {
		int wait_ms = prepare(s, fds);

		*listener = (struct pollfd){ .fd = s->rests ? -1 : s->listener, .events = POLLIN };
		*stop = (struct pollfd){ .fd = s->stop, .events = POLLIN };
		s->rests = false;
		if (poll(fds, HTTP_SERVER_CONNECTIONS + 2, wait_ms) < 0)
			continue; /* EINTR */
		if (stop->revents)
			return NULL;
		for (unsigned int i = 0; i < HTTP_SERVER_CONNECTIONS; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				go_on(s, &s->connections[i]);
		if (listener->revents)
			accept_some(s);
	}
}

struct http_server *http_server_new(int listener, uint64_t fresh_ns)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		close(listener);
		return NULL;
	}
	s->listener = listener;
	s->fresh_ns = fresh_ns;
	pthread_mutex_init(&s->lock, NULL);
	s->stop = eventfd(0, EFD_CLOEXEC);
	err = s->stop < 0 ? -errno : privilege_thread_start(&s->thread, false, serve, s);
	if (!err) {
		s->running = true;
		return s;
	}
	http_server_free(s);
	errno = -err;
	return NULL;
}

void http_server_free(struct http_server *s)
{
	const uint64_t one = 1;

	if (!s)
		return;
	if (s->running && write(s->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(s->thread, NULL);
	for (unsigned int i = 0; i < HTTP_SERVER_CONNECTIONS; i++)
		if (s->connections[i].stage != FREE)
			end(s, &s->connections[i]);
	page_drop(s, s->page);
	close(s->listener);
	if (s->stop >= 0)
		close(s->stop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
