#!/bin/sh
# The program with its own Node. What the environment says to other programs that run on Node is not for this one.
# A script, not a link: on systems with SELinux, systemd starts what is labelled as a program in /usr/bin.
unset NODE_OPTIONS NODE_PATH NODE_V8_COVERAGE NODE_COMPILE_CACHE
exec /usr/lib/bm-confsync/node /usr/lib/bm-confsync/lib/main.mjs "$@"
