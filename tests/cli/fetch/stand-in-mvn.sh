#!/bin/sh
# Plays Maven: what it does depends on the artifact id that it is asked for. A file of the repository rather than
# one that tests write, since running a file just written fails whenever another test forks at that moment.
for argument; do
    case $argument in
    -DoutputDirectory=*) out=${argument#*=} ;;
    -Dartifact=*) artifact=${argument#*=} ;;
    esac
done
case $artifact in
*:good-kit:*) printf '%s\n' "$@" >"$out/kit.tgz" ;;
*:empty-kit:*) ;;
*)
    for n in 1 2 3 4 5 6 7; do echo "[ERROR] line $n"; done
    printf '\033[0m[ERROR] \n[ERROR] To see the full stack trace, re-run Maven\n[ERROR] See [Help 1]\n'
    exit 1
    ;;
esac
