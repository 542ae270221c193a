# Targets, and the events and fields of their dialects; all else is left to the function above.

# The words up to the cursor as the program would get them: readline splits them at : and = too.
_jobwire_line() {
    local rest=${COMP_LINE:0:COMP_POINT} word i
    line=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            line+=("")
        fi
        # The cursor may stand inside of the last word.
        ((${#rest} < ${#word})) && word=$rest
        line[${#line[@]} - 1]+=$word
        rest=${rest#"$word"}
    done
}

# Offers those of the words that begin with the first argument.
_jobwire_offer() {
    local current=$1 word known breaks
    shift
    COMPREPLY=()
    for word; do
        [[ $word == "$current"* ]] && COMPREPLY+=("$word")
    done
    # These fail where nobody completes, and in a bash that does not know them.
    compopt +o default +o bashdefault 2>/dev/null
    for word in "${COMPREPLY[@]}"; do
        [[ $word == *[/:=] ]] && compopt -o nospace 2>/dev/null
    done
    # What readline replaces begins behind the last of its breaks, of which an id may hold some without a backslash.
    # Within quotes nothing breaks.
    breaks=${COMP_WORDBREAKS//[^:=@]/}
    [[ -n $breaks && -z $quote ]] || return 0
    known=${current%"${current##*[$breaks]}"}
    # An at sign is a break that belongs to what follows it.
    known=${known%@}
    COMPREPLY=("${COMPREPLY[@]#"$known"}")
}

# Adds the jobs that a relay knows to the words, as they have to be typed; none where no relay answers at once.
_jobwire_jobs() {
    local job
    while IFS=$'\t' read -r job _; do
        case $quote in
            "'") [[ $job == *\'* ]] && continue ;;
            '"') [[ $job == *[\"\$\`\\!]* ]] && continue ;;
            *) printf -v job %q "$job" ;;
        esac
        words+=("$job")
    done < <(command jobwire complete -- "${line[@]:1}" 2>/dev/null </dev/null)
}

_jobwire_targets() {
    local line words=() word current verb="" target="" event="" skip="" flag="" quote="" i positionals=0
    _jobwire_line
    # Quotes and backslashes are for the shell.
    current=${line[${#line[@]} - 1]}
    line=("${line[@]//[\'\"\\]/}")
    for ((i = 1; i < ${#line[@]} - 1; i++)); do
        word=${line[i]}
        if [[ -n $skip ]]; then
            skip=""
            continue
        fi
        case $word in
            @VALUED@) skip=1 flag=$word ;;
            -*) ;;
            *)
                case $((positionals++)) in
                    0) verb=$word ;;
                    1) target=$word ;;
                    2) event=$word ;;
                esac
                ;;
        esac
    done
    if [[ $verb == bench && -n $skip && ( $flag == --assert || $flag == --within ) ]]; then
        # A quote that is open does not belong to the name, and would be closed behind the only one; but an operator and a
        # limit follow.
        _jobwire_offer "${current#[\'\"]}" @METRICS@
        compopt -o nospace 2>/dev/null
        if [[ $current == [\'\"]* && ${#COMPREPLY[@]} -eq 1 ]]; then
            COMPREPLY=("${COMPREPLY[0]}"{'<','<=','==','>','>='})
        fi
        return
    fi
    if [[ -n $skip || $current == -* ]]; then
        _jobwire "$@"
        return
    fi
    # A quote that is open does not belong to the word; readline closes it.
    [[ $current == [\'\"]* ]] && quote=${current:0:1} current=${current:1}
    case $verb/$positionals in
        bench/1) words=(@MODES@ @LOADED@) ;;
        bench/*)
            case $target in
                compare)
                    compopt -o filenames 2>/dev/null
                    COMPREPLY=($(compgen -f -- "$current"))
                    return
                    ;;
                worker) ;;
                *) ((positionals == 2)) && words=(@LOADED@) ;;
            esac
            ;;
        attach/*)
            words=(@TARGETS@)
            _jobwire_jobs
            ;;
        publish/1)
            words=(@PUBLISHED@)
            _jobwire_jobs
            ;;
        publish/2) _jobwire_events "$target" ;;
        publish/*) _jobwire_fields "$target $event" ;;
        *)
            _jobwire "$@"
            return
            ;;
    esac
    _jobwire_offer "$current" "${words[@]}"
}

_jobwire_events() {
    case $1 in
@EVENTS@
    esac
}

_jobwire_fields() {
    case $1 in
@FIELDS@
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _jobwire_targets -o nosort -o bashdefault -o default jobwire
else
    complete -F _jobwire_targets -o bashdefault -o default jobwire
fi
