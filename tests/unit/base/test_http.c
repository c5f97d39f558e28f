// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Requests, well-formed and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/http.h"

static struct http_request parse(const char *text)
{
	struct http_request request;

	assert_int_equal(http_parse(text, strlen(text), &request), HTTP_READY);
	return request;
}

static enum http_outcome outcome(const char *text)
{
	struct http_request request;

	return http_parse(text, strlen(text), &request);
}

static void test_requests(void **state)
{
	struct http_request request = parse("GET /metrics?name[]=x HTTP/1.1\r\nHost: a\r\n\r\n");

	(void)state;
	assert_int_equal(request.method, HTTP_GET);
	assert_string_equal(request.path, "/metrics");
	assert_false(request.openmetrics);
	assert_int_equal(parse("HEAD / HTTP/1.0\n\n").method, HTTP_HEAD);
	assert_int_equal(parse("POST / HTTP/1.1\r\n\r\nbody").method, HTTP_OTHER);
	assert_int_equal(parse("get / HTTP/1.1\r\n\r\n").method, HTTP_OTHER);
	assert_string_equal(parse("GET /0123456789012345678901234567890123 HTTP/1.1\r\n\r\n").path,
			    "");
}

static void test_what_is_none(void **state)
{
	char *long_one = malloc(HTTP_HEAD_BYTES + 1);

	(void)state;
	assert_int_equal(outcome(""), HTTP_MORE);
	assert_int_equal(outcome("GET / HTTP/1.1\r\nHost: a\r\n"), HTTP_MORE);
	assert_int_equal(outcome("GET / HTTP/1.1\r\n\r"), HTTP_MORE);
	assert_int_equal(outcome("\r\n\r\n"), HTTP_BAD);
	assert_int_equal(outcome("GET /\r\n\r\n"), HTTP_BAD);
	assert_int_equal(outcome("GET / HTTP/2.0\r\n\r\n"), HTTP_BAD);
	assert_int_equal(outcome("GET  HTTP/1.1\r\n\r\n"), HTTP_BAD);
	assert_int_equal(outcome("\x16\x03\x01 TLS\n\n"), HTTP_BAD);
	assert_non_null(long_one);
	memset(long_one, 'a', HTTP_HEAD_BYTES);
	long_one[HTTP_HEAD_BYTES] = '\0';
	assert_int_equal(outcome(long_one), HTTP_BAD);
	free(long_one);
}

static bool likes(const char *accept)
{
	char text[512] = "GET /metrics HTTP/1.1\r\nHost: x\r\naccept: ";

	strcat(strcat(text, accept), "\r\n\r\n");
	return parse(text).openmetrics;
}

static void test_what_is_accepted(void **state)
{
	(void)state;
	/* What Prometheus 2.x sends. */
	assert_true(likes("application/openmetrics-text;version=1.0.0;q=0.5,"
			  "application/openmetrics-text;version=0.0.1;q=0.4,"
			  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"));
	assert_true(likes("application/openmetrics-text"));
	assert_true(likes("text/plain;q=0.001 , Application/OpenMetrics-Text ; q=0.002"));
	assert_false(likes("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5"));
	assert_false(likes("application/openmetrics-text;q=0"));
	assert_false(likes("application/openmetrics-textual"));
	/* A Prometheus 3, whose first choice is protobuf where it scrapes native histograms. */
	assert_true(likes("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
			  "encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;"
			  "escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;"
			  "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
			  "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"));
	assert_false(likes("application/openmetrics-text;version=2.0.0"));
	assert_false(likes("application/openmetrics-text;version=0.0.1"));
	assert_false(likes("application/openmetrics-text;q=0.5,*/*"));
	assert_false(likes("application/openmetrics-text;q=0.5,text/*;q=0.6"));
	assert_true(likes("application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*"));
	assert_false(likes("*/*"));
	assert_false(likes(""));
	assert_false(likes(";q=,;;=,q=1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_what_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
