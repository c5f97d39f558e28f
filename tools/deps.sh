#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# deps.sh GROUP...: installs what the groups need and this system lacks. The groups are build,
# cross, test, fuzz, vm, vm-x86, vm-arm64, bench, format, packages and test-packages. It looks for
# the commands and headers themselves. So it is quick when nothing is missing, and does not depend
# on the distribution or on how they were installed. It installs with apt-get; on other systems it
# names what is missing and fails.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing=

fail() {
	printf 'tools/deps.sh: %s\n' "$*" >&2
	exit 1
}

note_missing() {
	case " $missing " in
	*" $1 "*) ;;
	*) missing="$missing $1" ;;
	esac
}

# need PACKAGE PROBE...: notes PACKAGE as missing unless a PROBE, a command or a file, exists.
need() {
	package=$1
	shift
	for probe in "$@"; do
		case $probe in
		/*) [ -e "$probe" ] && return ;;
		*) command -v "$probe" >/dev/null && return ;;
		esac
	done
	note_missing "$package"
}

# Ubuntu's bpftool is a wrapper that fails when the tools of the running kernel are missing. The
# Makefile uses the program behind it.
need_bpftool() {
	for tool in /usr/lib/linux-tools/*/bpftool bpftool; do
		if "$tool" version >/dev/null 2>&1; then
			return
		fi
	done
	# shellcheck source=/dev/null
	case $(. /etc/os-release && echo "$ID $VERSION_ID") in
	"ubuntu 22.04" | "ubuntu 24.04") note_missing linux-tools-generic ;;
	*) note_missing bpftool ;;
	esac
}

# libFuzzer belongs to clang, and must have its version.
need_libfuzzer() {
	version=$(clang -dumpversion 2>/dev/null) || version=14
	folder=$(clang -print-resource-dir 2>/dev/null) || folder=/usr/lib/llvm-14/lib/clang/14
	need "libclang-rt-${version%%.*}-dev" "$folder/lib/linux/libclang_rt.fuzzer-$(uname -m).a"
}

# libbpf 1.0 is the first with the API that the loader uses.
check_libbpf() {
	version=/usr/include/bpf/libbpf_version.h
	if [ -e /usr/include/bpf/libbpf.h ] &&
		! grep -Eqs 'LIBBPF_MAJOR_VERSION +[1-9]' $version; then
		fail "libbpf 1.0 or newer is needed; the libbpf-dev of this system is older." \
			"Run make static on a newer one and copy build/tcpdwell-static here."
	fi
}

group() {
	case $1 in
	build)
		need gcc cc
		need libc6-dev /usr/include/stdio.h
		need make make
		need clang clang
		need llvm llvm-objcopy
		need libbpf-dev /usr/include/bpf/libbpf.h
		need libelf-dev /usr/include/libelf.h
		need libdw-dev /usr/include/elfutils/libdwfl.h
		need libseccomp-dev /usr/include/seccomp.h
		need zlib1g-dev /usr/include/zlib.h
		need pkg-config pkg-config
		need_bpftool
		;;
	test)
		need libcmocka-dev /usr/include/cmocka.h
		need python3 python3
		need python3-pytest pytest-3
		need iproute2 ss
		need nginx-light nginx
		need curl curl
		need tcpdump tcpdump
		need nftables nft
		need jq jq
		need mandoc mandoc
		need shellcheck shellcheck
		need strace strace
		# Prometheus scrapes the tool, and promtool checks metrics and alert rules.
		need prometheus promtool
		# It checks units; the first process (init) is another package.
		need systemd systemd-analyze
		need clang-format clang-format
		# Containers that the tests do not make themselves.
		need podman podman
		need crun crun
		need systemd-container systemd-nspawn
		# The shells other than bash that there is completion for.
		need zsh zsh
		need fish fish
		need python3-yaml /usr/lib/python3/dist-packages/yaml
		;;
	fuzz)
		need_libfuzzer
		;;
	cross)
		# The Makefile fetches the libraries to link with (tools/sysroot.py).
		if [ "$(uname -m)" = aarch64 ]; then
			need gcc-x86-64-linux-gnu x86_64-linux-gnu-gcc
		else
			need gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
		fi
		need python3 python3
		need debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
		;;
	vm-x86)
		need qemu-system-x86 qemu-system-x86_64
		[ "$(uname -m)" = x86_64 ] || group cross
		;;
	vm-arm64)
		need qemu-system-arm qemu-system-aarch64
		[ "$(uname -m)" = aarch64 ] || group cross
		;;
	vm)
		# A busybox that is not static is useless in an initramfs, and has the same path.
		need busybox-static /usr/share/doc/busybox-static
		need e2fsprogs mke2fs
		need kmod depmod
		need debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
		;;
	bench)
		need libbpf-tools tcpstates tcpstates-libbpf
		need bpftrace bpftrace
		need python3 python3
		;;
	format)
		need clang-format clang-format
		;;
	packages)
		need dpkg-dev dpkg-buildpackage
		need debhelper dh
		need fakeroot fakeroot
		need rpm rpmbuild
		need git git
		;;
	test-packages)
		need lintian lintian
		# The packages are installed in chroots that it makes.
		need mmdebstrap mmdebstrap
		# They read an image independently of the code that makes it.
		need buildah buildah
		need skopeo skopeo
		need python3 python3
		need python3-pytest pytest-3
		;;
	*) fail "no such group: $1 (build, cross, test, fuzz, vm, vm-x86, vm-arm64," \
		"bench, format, packages, test-packages)" ;;
	esac
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env "$@"
	else
		sudo env "$@"
	fi
}

apt() {
	as_root DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# If package lists are old or absent, the first try fails.
install_missing() {
	# shellcheck disable=SC2086 # one word a package
	apt install --no-install-recommends $missing >"$log" 2>&1 ||
		{ apt update && apt install --no-install-recommends $missing; } >"$log" 2>&1
}

# The tests start an nginx of their own.  Installing the package must not start another on port 80,
# now or at the next boot, so services are held back while apt runs (Debian Policy 9.3.3).
hold_services() {
	policy=/usr/sbin/policy-rc.d
	[ ! -e $policy ] || return 0
	as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
	trap 'as_root rm -f $policy; rm -f "$log"' EXIT
	trap 'exit 1' HUP INT TERM
}

for name in "$@"; do
	group "$name"
done
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null ||
		fail "please install what these Debian packages hold, then run this again:$missing"
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
		fail "not root and no sudo; please install:$missing"
	echo "tools/deps.sh: installing$missing"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	hold_services
	if ! install_missing; then
		cat "$log" >&2
		fail "apt-get could not install:$missing"
	fi
	case $missing in
	*nginx*) as_root update-rc.d nginx disable >"$log" 2>&1 || cat "$log" >&2 ;;
	esac
fi
check_libbpf
