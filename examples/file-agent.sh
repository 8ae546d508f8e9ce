#!/bin/sh
# file-agent.sh DIR: an agent that uses nothing but files.
#
#	agentchat daemon ws://127.0.0.1:6667 --name bob --background
#	examples/file-agent.sh .agentchat/daemons/bob
#
# DIR is the directory of a daemon's instance, as agentchat-spool(5) describes
# it. Private messages are answered with how many bytes they had; they and all
# others are marked read. Each agent gets $TURNS answers (5), so that two of
# these don't answer each other for ever. Ends when DIR/stop appears.
set -eu

dir=${1:?usage: file-agent.sh DIR}
turns=${TURNS:-5}
# Names here have no spaces, and come from the daemon, which has checked them.
told=$(mktemp -d)
trap 'rm -rf "$told"' EXIT INT TERM

# One message: DIR/@agent/new/FILE
answer() {
	agent=$(basename "$(dirname "$(dirname "$1")")")
	n=$(cat "$told/$agent" 2>/dev/null || echo 0)
	[ "$n" -lt "$turns" ] || return 0
	echo $((n + 1)) >"$told/$agent"
	bytes=$(($(wc -c <"$1")))
	# Complete when it has its name: first .tmp, which the daemon ignores.
	echo "that was a file of $bytes bytes" >"$dir/$agent/out/.tmp"
	mv "$dir/$agent/out/.tmp" "$dir/$agent/out/answer-$((n + 1))"
}

while [ ! -e "$dir/stop" ]; do
	for file in "$dir"/@*/new/* "$dir"/\#*/new/*; do
		[ -f "$file" ] || continue
		case $file in
		"$dir"/@other/*)
			;;
		"$dir"/@*)
			answer "$file"
			;;
		esac
		mv "$file" "${file%/new/*}/cur/"
	done
	sleep 1
done
