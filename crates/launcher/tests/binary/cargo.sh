#!/bin/sh
# Stands in for cargo: says how it was called, one argument a line, and exits
# with what stands in the fixture's file exit-build or exit-<package>.
echo "cwd $PWD"
what=$1
while [ "$1" != "-p" ]; do
    echo "arg $1"
    shift
done
package=$2
for arg in "$@"; do echo "arg $arg"; done
[ "$what" = run ] || package=build
code=$(cat "$FIXTURE/exit-$package" 2>/dev/null || echo 0)
case $code in
    kill*) kill -"${code#kill}" $$ ;;
esac
exit "$code"
