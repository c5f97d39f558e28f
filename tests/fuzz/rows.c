// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decode.h"
#include "base/text.h"
#include "rows.h"

/* More would only take longer. */
#define ROWS_MAX 64

#define NS_PER_S 1000000000ULL

void rows_take(struct input *input, struct tcpdwell_transition *t)
{
	struct tcpdwell_transition raw;

	input_take(input, &raw, sizeof(raw));
	raw.kind = TCPDWELL_TRANSITION;
	raw.size = sizeof(raw);
	raw.from = 1 + raw.from % (TCPDWELL_STATE_MAX - 1);
	raw.to = 1 + raw.to % (TCPDWELL_STATE_MAX - 1);
	raw.family = raw.family & 1 ? 6 : 4;
	raw.source %= TCPDWELL_SOURCE_MAX;
	raw.dwell %= TCPDWELL_DWELL_AT_LEAST + 1;
	raw.owner %= TCPDWELL_OWNER_MAX;
	raw.reason %= TCPDWELL_REASON_MAX;
	CHECK(decode_record(&raw, sizeof(raw), t) == DECODED_TRANSITION);
}

void rows_take_socket(struct input *input, struct tcpdwell_socket *socket)
{
	input_take(input, socket, sizeof(*socket));
	socket->kind = TCPDWELL_SOCKET;
	socket->size = sizeof(*socket);
	socket->state = 1 + socket->state % (TCPDWELL_STATE_MAX - 1);
	socket->family = socket->family & 1 ? 6 : 4;
	socket->since %= TCPDWELL_DWELL_AT_LEAST + 1;
	socket->owner %= TCPDWELL_OWNER_MAX;
	socket->comm[TCPDWELL_COMM_LEN - 1] = '\0';
	/* There are few keys, so that some records share a socket, and some sockets a process. */
	socket->key = 1 + socket->key % 8;
	socket->pid %= 4;
	socket->detail.timer %= TCPDWELL_TIMER_MAX;
}

struct summary rows_take_summary(struct input *input)
{
	struct summary summary;

	input_take(input, &summary, sizeof(summary));
	return summary;
}

static struct style take_style(struct input *input, struct text *text, const struct clock *clock)
{
	uint8_t flags = input_u8(input);

	return (struct style){
		.text = text,
		.wide = flags & 1,
		.wall_time = flags & 2,
		.since_start = flags & 4,
		.utc = flags & 8,
		.tty = flags & 16,
		.columns = input_u8(input),
		.clock = clock,
	};
}

static char *read_back(int fd, size_t *len)
{
	struct stat st;
	char *text;

	CHECK(!fstat(fd, &st));
	*len = st.st_size;
	text = malloc(*len ?: 1);
	CHECK(text && pread(fd, text, *len, 0) == (ssize_t)*len);
	return text;
}

/* A sink that is finished has written all it had, and the account stays as it was. */
static void play(struct input *input, struct sink *sink)
{
	struct tcpdwell_transition t;
	struct summary summary;

	CHECK(sink && !sink->ops->start(sink));
	for (unsigned int i = 0; i < ROWS_MAX && input->left > sizeof(summary); i++) {
		rows_take(input, &t);
		CHECK(!sink->ops->event(sink, &t, NULL));
		if (i % 8 == 7)
			CHECK(!sink->ops->tick(sink));
	}
	summary = rows_take_summary(input);
	CHECK(!sink->ops->finish(sink, &summary));
	sink->ops->free(sink);
}

void rows_render(const uint8_t *data, size_t size, struct sink *(*make)(const struct style *style),
		 bool (*is_good)(const char *text, size_t len))
{
	static int fd = -1;
	struct input input = { data, size };
	struct clock *clock = clock_new();
	struct style style;
	struct text *text;
	size_t len;
	char *got;

	if (fd < 0)
		fd = memfd_create("rows", MFD_CLOEXEC);
	CHECK(clock && fd >= 0 && !ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET));
	text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	CHECK(text);
	clock_sample(clock, 12 * NS_PER_S, 1709251198 * NS_PER_S, 12 * NS_PER_S);
	clock_set_start(clock, 10 * NS_PER_S);
	style = take_style(&input, text, clock);
	play(&input, make(&style));
	CHECK(!text_flush(text));
	got = read_back(fd, &len);
	CHECK(is_clean(got, len) && (!is_good || is_good(got, len)));
	free(got);
	text_free(text);
	clock_free(clock);
}
