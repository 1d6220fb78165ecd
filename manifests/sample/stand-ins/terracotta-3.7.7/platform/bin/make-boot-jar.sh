#!/bin/sh
# Stand-in for the script of the same name: writes the file that `-o` names.
if [ ! -d "$JAVA_HOME" ]; then
    echo "$0: the JAVA_HOME environment variable is not defined correctly"
    exit 2
fi
jar=
while [ $# -gt 0 ]; do
    case $1 in
        -o) jar=$2; shift 2 ;;
        -f) [ -f "$2" ] || { echo "$0: no configuration $2" >&2; exit 1; }; shift 2 ;;
        *) echo "$0: unknown option $1" >&2; exit 1 ;;
    esac
done
[ -n "$jar" ] || { echo "$0: -o is missing" >&2; exit 1; }
"$JAVA_HOME/bin/java" -version 2> "$jar"
