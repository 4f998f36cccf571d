# shellcheck shell=sh disable=SC2064,SC2119,SC2120,SC3045
# Tells root at login what is not as it should be between the two nodes, and in bash at logout what is not on the other
# node yet. Silent when all is well on the active node, and for everybody but root. To switch it on, on the
# active node, from where the link is replicated:
#
#   ln -s /usr/share/bm-confsync/login-notice.sh /etc/profile.d/bm-confsync-notice.sh
#
# It is read by root's own shell: it changes no option of it and leaves nothing behind but two functions and, in bash, an
# EXIT trap, which first does what the one did that was there. A daemon that hangs costs a second, all else at most three.

if case $- in
    *i*) [ "$(id -u)" = 0 ] && command -v bm-confsync >/dev/null 2>&1 ;;
    *) false ;;
esac; then
    _bm_confsync_notice() {
        timeout --foreground -k 1 2 bm-confsync notice "$@" </dev/null 2>/dev/null || :
    }

    # For bash alone: other shells cannot tell which trap they have.
    _bm_confsync_at_exit() {
        eval "set -- $(trap -p EXIT)"
        case ${3-} in
            *_bm_confsync_notice*) ;;
            *) trap "${3:+$3
}_bm_confsync_notice --logout" EXIT ;;
        esac
    }

    _bm_confsync_notice
    if [ -n "${BASH_VERSION-}" ]; then _bm_confsync_at_exit; fi
fi
