#!/usr/bin/env bash
# A real dockerd and a small Python base image for the tests in this folder, which start registries themselves.
#   dockerd.sh up             install what is missing (Debian, as root), start it, make the base; may be repeated
#   eval "$(dockerd.sh env)"  what the tests need to find them
#   dockerd.sh down           stop what `up` started
# THEORYCTL_TEST_DOCKER_DIR says where everything lies.
set -Eeuo pipefail

# A short path: that of a socket has at most 108 bytes.
dir=${THEORYCTL_TEST_DOCKER_DIR:-/tmp/theoryctl-docker}
base=127.0.0.1/test/python:base
python=${THEORYCTL_TEST_BASE_PYTHON:-python3.11}
socket=$dir/docker.sock

export DOCKER_HOST=unix://$socket DOCKER_CONFIG=$dir/client
unset DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH

say() { echo "dockerd.sh: $*" >&2; }
fail() {
  say "$*"
  tail -n 20 "$dir"/*.log >&2 2>/dev/null || true
  exit 1
}
within() { # seconds command…: whether the command succeeds in that time
  local tries=$(($1 * 10)); shift
  until "$@" >/dev/null 2>&1; do
    ((tries--)) || return 1
    sleep 0.1
  done
}
runs() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
install_missing() {
  local packages=()
  command -v dockerd >/dev/null || packages+=(docker.io)
  command -v docker-init >/dev/null || packages+=(tini)
  command -v docker-registry >/dev/null || packages+=(docker-registry)
  command -v docker-compose >/dev/null || packages+=(docker-compose)
  command -v htpasswd >/dev/null || packages+=(apache2-utils)
  command -v ip >/dev/null || packages+=(iproute2)
  command -v jq >/dev/null || packages+=(jq)
  [ ${#packages[@]} -gt 0 ] || return 0
  say "installing ${packages[*]}"
  # The packages are not to start daemons of their own.
  local policy=/usr/sbin/policy-rc.d ours= status=0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; ours=1
  fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${packages[@]}" ca-certificates; } >"$dir/apt.log" 2>&1 || status=$?
  [ -z "$ours" ] || rm -f $policy
  [ $status -eq 0 ] || fail "apt-get failed"
}

# What a dockerd that was killed leaves: containers, shims, a containerd and mounts. The next one waits for them in vain.
clear_leftovers() {
  local file id pid mount
  for file in $(find "$dir/exec" -name init.pid 2>/dev/null); do
    id=$(basename "$(dirname "$file")"); pid=$(cat "$file")
    if grep -qs "$id" "/proc/$pid/cgroup"; then kill -9 "$pid" 2>/dev/null || true; fi
  done
  for pid in $(grep -lsF "$dir/exec" /proc/[0-9]*/cmdline | cut -d/ -f3); do
    case $(readlink "/proc/$pid/exe" || true) in
      */dockerd | */containerd | */containerd-shim*) kill -9 "$pid" 2>/dev/null || true ;;
    esac
  done
  for mount in $(awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r); do
    umount -l "$mount" 2>/dev/null || true
  done
  rm -rf "$socket" "$dir/dockerd.pid" "$dir/exec"
}

start_dockerd() {
  if docker version >/dev/null 2>&1; then return 0; fi
  grep -q cgroup /proc/mounts || fail "there are no cgroups here, so dockerd cannot run"
  clear_leftovers
  # Through a dead proxy every registry but those on loopback is out of reach: no test can ask a public hub by mistake.
  HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=localhost,127.0.0.0/8,::1 \
    setsid nohup dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
    --host "$DOCKER_HOST" --log-level warn --shutdown-timeout 5 >"$dir/dockerd.log" 2>&1 </dev/null &
  within 60 docker version || fail "dockerd did not start"
}

# Something like python:slim from this machine's own interpreter, so that nothing is asked of a network.
make_base() {
  if docker image inspect "$base" >/dev/null 2>&1; then return 0; fi
  local root prefix version file library
  prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  root=$(mktemp -d -p "$dir")
  mkdir -p "$root"/{usr/local/{bin,lib},usr/bin,usr/sbin,usr/lib,usr/lib64,etc/ssl/certs,tmp,proc,sys,dev,run}
  for file in bin sbin lib lib64; do ln -s "usr/$file" "$root/$file"; done
  chmod 1777 "$root/tmp"
  # With the bytecode and its times: without, each start under a read-only root compiles the library anew.
  tar -C "$prefix" -cf - --exclude='*.opt-[12].pyc' --exclude='*.a' --exclude="lib/python$version/"{test,idlelib,tkinter,turtledemo} \
    --exclude="lib/python$version/config-*" --exclude="lib/python$version/site-packages/*" \
    "bin/python$version" "lib/python$version" $(cd "$prefix" && ls -d lib/libpython"$version"*.so* 2>/dev/null || true) |
    tar -C "$root/usr/local" -xf -
  ln -s "python$version" "$root/usr/local/bin/python3"
  install_pip "$root/usr/local/lib/python$version/site-packages" "$prefix/lib/python$version"
  for file in sh cat ls mkdir rm cp mv sleep env; do cp -L "$(command -v $file)" "$root/usr/bin/$file"; done
  # What the programs are linked to; and what wheels are linked to, by PEP 600 there on every machine with glibc.
  {
    find "$root/usr" -type f \( -name '*.so*' -o -path '*/bin/*' \) -exec ldd {} + 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' || true
    ldconfig -p | grep -E 'x86-64|AArch64' | awk '$1 ~ /^lib(nss_files|nss_dns|resolv|pthread|dl|rt|m|util|gcc_s|stdc\+\+)\.so\.[0-9]+$/ { print $NF }'
  } | sort -u | while read -r library; do
    case $library in "$root"/* | "$prefix"/lib/*) continue ;; esac
    [ ! -e "$library" ] || [ -e "$root/usr${library#/usr}" ] || install -D "$(readlink -f "$library")" "$root/usr${library#/usr}"
  done
  printf '/usr/local/lib\n/usr/lib/%s-linux-gnu\n' "$(uname -m)" >"$root/etc/ld.so.conf"
  ldconfig -r "$root"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner -cf - . |
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8' --change 'CMD ["python3"]' - "$base" >/dev/null
  rm -rf "$root"
  docker run --rm --network none --read-only --user 65534:65534 "$base" python3 -c 'import ctypes, hashlib, lzma, ssl, zlib' ||
    fail "the base image is broken"
}

install_pip() { # site-packages library
  local wheel
  wheel=$(ls "$2"/ensurepip/_bundled/pip-*.whl 2>/dev/null | head -n 1)
  [ -n "$wheel" ] || fail "$python has no ensurepip"
  mkdir -p "$1"
  (cd "$1" && "$python" -m zipfile -e "$wheel" . && "$python" -m compileall -q -j 0 .) >/dev/null 2>&1 || true
}

stop() { # pidfile seconds
  if runs "$1"; then
    local pid; pid=$(cat "$1")
    kill "$pid"
    within "$2" bash -c "! kill -0 $pid" || kill -9 "$pid"
  fi
  rm -f "$1"
}

case ${1:-} in
  up)
    [ "$(id -u)" -eq 0 ] || fail "this needs root"
    umask 022
    mkdir -p "$dir/client"
    install_missing
    start_dockerd
    make_base
    say "dockerd $(docker version --format '{{.Server.Version}}') is up"
    ;;
  env)
    echo "export DOCKER_HOST='$DOCKER_HOST' DOCKER_CONFIG='$DOCKER_CONFIG' THEORYCTL_TEST_DOCKER='$dir' THEORYCTL_BASE_IMAGE='$base'"
    ;;
  down)
    containers=$(docker ps -q 2>/dev/null || true)
    [ -z "$containers" ] || docker kill $containers >/dev/null 2>&1 || true
    stop "$dir/dockerd.pid" 20
    ;;
  *)
    say "usage: $0 up|env|down"
    exit 2
    ;;
esac
