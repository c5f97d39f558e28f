# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the live tests share: tracer, network namespaces, traffic and how they compare."""
