# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the live tests share: the tracer, network namespaces, traffic, and comparisons of rows with
it."""
