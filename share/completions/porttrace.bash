# SPDX-License-Identifier: GPL-2.0-only
# bash completion of porttrace. The table is that of tools/completions.

_porttrace_table='
@OPTIONS@
'

# What follows the name in the row of a command's option, by its letter or name; "": the row of its arguments.
_porttrace_row() {
	local command letter name rest
	while IFS='|' read -r command letter name rest; do
		[[ $command == "$1" && ($name == "$2" || ($2 && $letter == "$2")) ]] && printf '%s\n' "$rest"
	done <<<"$_porttrace_table"
}

_porttrace_options() {
	local command letter name value rest
	while IFS='|' read -r command letter name value rest; do
		# shellcheck disable=SC2086 # no word without a letter
		[[ $command == "$1" && $name ]] && printf '%s\n' $letter "$name${value:+=}"
	done <<<"$_porttrace_table"
}

_porttrace_commands() {
	local command letter name rest
	while IFS='|' read -r command letter name rest; do
		[[ $command && $command != porttrace && ! $name ]] && printf '%s\n' "$command"
	done <<<"$_porttrace_table"
}

# The values of an option: its name, the name of its value, its choices.
_porttrace_values() {
	case $2 in
	PID) (cd /proc && printf '%s\n' [0-9]*) ;;
	USER) compgen -u ;;
	NETNS) ip netns list 2>/dev/null | cut -d ' ' -f 1 ;;
	PATH) systemctl show --property=ControlGroup --value '*.service' '*.slice' 2>/dev/null | grep / ;;
	NAME)
		case $1 in
		--comm | -c) cat /proc/[0-9]*/comm 2>/dev/null | sort -u ;;
		--device) (cd /sys/class/net && printf '%s\n' *) ;;
		esac
		;;
	esac
	# shellcheck disable=SC2086 # several words
	printf '%s\n' $3
}

_porttrace() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=porttrace
	local value choices arguments rest list=

	if ((COMP_CWORD > 1)) && _porttrace_commands | grep -qxF -- "${COMP_WORDS[1]}"; then
		command=${COMP_WORDS[1]}
	fi
	# bash makes a word of the "=" in --pid=12.
	if [[ $current == = ]]; then
		current=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	IFS='|' read -r value arguments rest <<<"$(_porttrace_row "$command" '')"
	if [[ $before == -* ]]; then
		IFS='|' read -r value choices rest <<<"$(_porttrace_row "$command" "$before")"
	fi

	COMPREPLY=()
	if [[ $value ]]; then
		[[ $current == *,* ]] && list=${current%,*},
		mapfile -t COMPREPLY < <(compgen -P "$list" -W "$(_porttrace_values "$before" "$value" "$choices")" -- "${current##*,}")
	elif [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_porttrace_options "$command")" -- "$current")
		[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	elif [[ $arguments == FILE* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	else
		((COMP_CWORD == 1)) && mapfile -t COMPREPLY < <(compgen -W "$(_porttrace_commands)" -- "$current")
		if [[ $arguments && $current && ! ${COMPREPLY[*]} ]]; then
			mapfile -t COMPREPLY < <(compgen -A service -- "$current" | sort -u)
		fi
	fi
	return 0
}

complete -F _porttrace porttrace
