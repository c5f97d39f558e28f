#compdef tcpdwell
# zsh completion for tcpdwell                                              -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are read from the help of the very tcpdwell that is being
# typed, so that there is no second list to keep.

# These read help on standard input. What option $1 calls its value, then the choices, if these are
# all it takes; nothing for a flag and for what is no option.
_tcpdwell_value()
{
	awk -v option="$1" '
		/^  (    )?-/ {
			name = 1 + ($1 ~ /,$/)
			on = $1 == option "," || $name == option
			if (on && $(name + 1) ~ /^[A-Z]/)
				print $(name + 1)
		}
		# Choices that are too long for a line go on in the next one.
		on && (choices ? match($0, /[a-z|]+/) : match($0, /[a-z]+(\|[a-z]+)+\|?/)) {
			choices = choices substr($0, RSTART, RLENGTH)
			if (choices !~ /\|$/) {
				print choices
				choices = ""
			}
		}
		/^$/ { on = 0 }'
}

# Each option and, behind a colon, what it does.
_tcpdwell_options()
{
	awk '
		function flush() { if (name) print name ":" text; name = text = "" }
		/^  (    )?-/ {
			flush()
			name = $(1 + ($1 ~ /,$/))
			if (match($0, /[^ ]  +/))
				text = substr($0, RSTART + RLENGTH)
			next
		}
		/^         / && name { sub(/^ +/, ""); text = text (text ? " " : "") $0; next }
		{ flush() }
		END { flush() }'
}

_tcpdwell_commands()
{
	awk '
		/^Commands/ { on = 1 }
		/^$/ { on = 0 }
		on && /^  [a-z]/ { name = $1; sub(/^ +[a-z]+ +/, ""); print name ":" $0 }'
}

# The words that the help lists as values of $1.
_tcpdwell_listed()
{
	awk -v name="$1" '/^  [A-Z]/ { on = $1 == name; if (on) $1 = "" } on'
}

# The names behind the titles at the end of what `explain` lists.
_tcpdwell_explained()
{
	awk '/^states/ { on = 1 } on { sub(/^(states|findings|errors)/, ""); print }'
}

# What may stand for the value that is called $1, one of $2 if that is not empty. $3 is the help.
_tcpdwell_complete_value()
{
	local -a known
	case $1 in
	*PATH) _files && return ;;
	STATE,* | REASON,*) known=($(_tcpdwell_listed "${1%%,*}" <<<"$3")) ;;
	PID,*) known=(/proc/[1-9]*(N:t)) ;;
	USER,*) compset -P '*,'; _users && return ;;
	*) known=(${(s:|:)2}) ;;
	esac
	# Of a list, the last member is being typed.
	compset -P '*,'
	compadd -a known
}

_tcpdwell()
{
	local tool=$words[1] command= help i
	# The names of what zsh itself looks into, such as $commands, must stay its own.
	local -a verbs names value found

	help=$($tool -h 2>/dev/null) || return
	verbs=("${(@f)$(_tcpdwell_commands <<<"$help")}")
	names=(${verbs%%:*})
	for ((i = 2; i < CURRENT; i++)); do
		if [[ $words[i] == -- ]]; then
			words=("${(@)words[i+1,-1]}")
			((CURRENT -= i))
			_normal
			return
		fi
		if [[ -z $command ]] && ((names[(Ie)$words[i]])); then
			command=$words[i]
		fi
	done
	if [[ -n $command ]]; then
		help=$($tool $command -h 2>/dev/null) || return
	fi

	# --name=value is one word.
	local option=${words[CURRENT-1]}
	if [[ $words[CURRENT] == --*=* ]]; then
		option=${words[CURRENT]%%=*}
		compset -P '--[^=]#='
	fi
	value=("${(@f)$(_tcpdwell_value $option <<<"$help")}")
	if [[ -n $value[1] ]]; then
		_tcpdwell_complete_value "$value[1]" "$value[2]" "$help"
	elif [[ $words[CURRENT] == -* ]]; then
		found=("${(@f)$(_tcpdwell_options <<<"$help")}")
		_describe -o option found
	elif [[ -z $command ]]; then
		_describe command verbs
	elif [[ $command == explain ]]; then
		found=($($tool explain | _tcpdwell_explained))
		compadd -a found
	fi
}

_tcpdwell "$@"
