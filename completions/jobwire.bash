_jobwire() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="jobwire"
                ;;
            jobwire,attach)
                cmd="jobwire__subcmd__attach"
                ;;
            jobwire,bench)
                cmd="jobwire__subcmd__bench"
                ;;
            jobwire,check)
                cmd="jobwire__subcmd__check"
                ;;
            jobwire,completions)
                cmd="jobwire__subcmd__completions"
                ;;
            jobwire,demo)
                cmd="jobwire__subcmd__demo"
                ;;
            jobwire,help)
                cmd="jobwire__subcmd__help"
                ;;
            jobwire,man)
                cmd="jobwire__subcmd__man"
                ;;
            jobwire,publish)
                cmd="jobwire__subcmd__publish"
                ;;
            jobwire,run)
                cmd="jobwire__subcmd__run"
                ;;
            jobwire,schema)
                cmd="jobwire__subcmd__schema"
                ;;
            jobwire,serve)
                cmd="jobwire__subcmd__serve"
                ;;
            jobwire,token)
                cmd="jobwire__subcmd__token"
                ;;
            jobwire,top)
                cmd="jobwire__subcmd__top"
                ;;
            jobwire__subcmd__bench,compare)
                cmd="jobwire__subcmd__bench__subcmd__compare"
                ;;
            jobwire__subcmd__help,attach)
                cmd="jobwire__subcmd__help__subcmd__attach"
                ;;
            jobwire__subcmd__help,bench)
                cmd="jobwire__subcmd__help__subcmd__bench"
                ;;
            jobwire__subcmd__help,check)
                cmd="jobwire__subcmd__help__subcmd__check"
                ;;
            jobwire__subcmd__help,completions)
                cmd="jobwire__subcmd__help__subcmd__completions"
                ;;
            jobwire__subcmd__help,demo)
                cmd="jobwire__subcmd__help__subcmd__demo"
                ;;
            jobwire__subcmd__help,help)
                cmd="jobwire__subcmd__help__subcmd__help"
                ;;
            jobwire__subcmd__help,man)
                cmd="jobwire__subcmd__help__subcmd__man"
                ;;
            jobwire__subcmd__help,publish)
                cmd="jobwire__subcmd__help__subcmd__publish"
                ;;
            jobwire__subcmd__help,run)
                cmd="jobwire__subcmd__help__subcmd__run"
                ;;
            jobwire__subcmd__help,schema)
                cmd="jobwire__subcmd__help__subcmd__schema"
                ;;
            jobwire__subcmd__help,serve)
                cmd="jobwire__subcmd__help__subcmd__serve"
                ;;
            jobwire__subcmd__help,token)
                cmd="jobwire__subcmd__help__subcmd__token"
                ;;
            jobwire__subcmd__help,top)
                cmd="jobwire__subcmd__help__subcmd__top"
                ;;
            jobwire__subcmd__help__subcmd__bench,compare)
                cmd="jobwire__subcmd__help__subcmd__bench__subcmd__compare"
                ;;
            jobwire__subcmd__help__subcmd__token,explain)
                cmd="jobwire__subcmd__help__subcmd__token__subcmd__explain"
                ;;
            jobwire__subcmd__token,explain)
                cmd="jobwire__subcmd__token__subcmd__explain"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        jobwire)
            opts="-h -V --config --dialect-file --color --log-level --help --version serve publish attach run bench check top token demo schema completions man help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__attach)
            opts="-h --token --token-file --server --ca --insecure --progress --events --fail-fast --new --timeout --until-idle --publish-key --junit --record --retries --dialect --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto bars plain json quiet" -- "${cur}"))
                    return 0
                    ;;
                --events)
                    COMPREPLY=($(compgen -W "FAILURE RETRY REVOKED STARTED SUCCESS active added ai:analysis_complete ai:conversation_processed ai:email_generated ai:lead_analyzed ai:model_trained ai:processing ai:response_ready campaign:completed campaign:email_failed campaign:email_sent campaign:launched campaign:paused campaign:resumed campaign:stats_updated cancelled completed completion connection delayed demo:completed demo:composing demo:failed demo:generating demo:recording demo:uploading duplicated email:bounced email:clicked email:delivered email:opened email:sent email:unsubscribed error failed heartbeat job_completed job_failed job_progress job_started lead:created log notification:system part_done part_failed part_started processing progress queued registered removed results_updated retries-exhausted scraper:completed scraper:failed scraper:google_maps_progress scraper:job_board_progress scraper:lead_found scraper:linkedin_progress scraper:progress scraper:started scraper_completed scraper_failed scraper_started stalled started status succeeded waiting waiting-children" -- "${cur}"))
                    return 0
                    ;;
                --timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --until-idle)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --junit)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --record)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect)
                    COMPREPLY=($(compgen -W "downloads scraping channels celery bullmq jobs tasks" -- "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__bench)
            opts="-H -c -r -d -n -h --server --ca --insecure --dialect --redis --redis-ca --redis-cert --redis-key --redis-insecure --redis-sentinel-password --durable --publish-url --publish-key --header --token --owner --connections --connect-rate --jobs --rate --duration --warm-up --ramp --events --payload-size --milestones --slow --slow-rate --stalled --churn --cut --echo --source-ip --threads --server-pid --assert --allow-client-bound --find --within --workers --remote-workers --max-clock-error --once --transport --deflate --msgpack --watch --targets-per-connection --resume --token-file --output --hgrm --hlog --csv --markdown --html --junit --no-live --config --dialect-file --color --log-level --help compare"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --dialect)
                    COMPREPLY=($(compgen -W "downloads scraping channels celery bullmq jobs tasks" -- "${cur}"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis-ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-cert)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-sentinel-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --publish-url)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -H)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --owner)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --connect-rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jobs)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --duration)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --warm-up)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ramp)
                    COMPREPLY=($(compgen -W "flat linear steps:2" -- "${cur}"))
                    return 0
                    ;;
                --events)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --payload-size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --milestones)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --slow)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --slow-rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --stalled)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --churn)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cut)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --echo)
                    COMPREPLY=($(compgen -W "ping text" -- "${cur}"))
                    return 0
                    ;;
                --source-ip)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --threads)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --server-pid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --assert)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --find)
                    COMPREPLY=($(compgen -W "connections rate" -- "${cur}"))
                    return 0
                    ;;
                --within)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --remote-workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --max-clock-error)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "ws sse" -- "${cur}"))
                    return 0
                    ;;
                --targets-per-connection)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -W "text json quiet" -- "${cur}"))
                    return 0
                    ;;
                --hgrm)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --hlog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --csv)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --markdown)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --html)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --junit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__bench__subcmd__compare)
            opts="-h --output --fail-on-regression --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --output)
                    COMPREPLY=($(compgen -W "text json quiet" -- "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__check)
            opts="-h --redis --redis-ca --redis-cert --redis-key --redis-insecure --redis-sentinel-password --durable --server --ca --insecure --publish-key --token --token-file --channel-prefix --dialect --only --wait --step-timeout --output --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --redis)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis-ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-cert)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-sentinel-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --channel-prefix)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect)
                    COMPREPLY=($(compgen -W "downloads scraping channels celery bullmq jobs tasks" -- "${cur}"))
                    return 0
                    ;;
                --only)
                    COMPREPLY=($(compgen -W "tcp tls health ready version clock redis publish websocket sse watch polling resume" -- "${cur}"))
                    return 0
                    ;;
                --wait)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --step-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -W "text json junit" -- "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__completions)
            opts="-h --config --dialect-file --color --log-level --help bash zsh fish"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__demo)
            opts="-h --duration --jobs --fail-rate --seed --replay --speed --progress --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --duration)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jobs)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --fail-rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --replay)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --speed)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --progress)
                    COMPREPLY=($(compgen -W "auto bars plain json quiet" -- "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help)
            opts="serve publish attach run bench check top token demo schema completions man help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__attach)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__bench)
            opts="compare"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__bench__subcmd__compare)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 4 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__check)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__completions)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__demo)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__help)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__man)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__publish)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__run)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__schema)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__serve)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__token)
            opts="explain"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__token__subcmd__explain)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 4 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__help__subcmd__top)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__man)
            opts="-h --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__publish)
            opts="-h --channel --unchecked --channel-prefix --stdin --end --repeat --rate --scenario --jobs --duration --speed --replay --as --fail-rate --owner --seed --require-subscribers --quiet --patience --redis --redis-ca --redis-cert --redis-key --redis-insecure --redis-sentinel-password --durable --server --ca --insecure --publish-key --list --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --channel)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --channel-prefix)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --end)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --repeat)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --scenario)
                    COMPREPLY=($(compgen -W "scraping downloads tasks channels jobs all" -- "${cur}"))
                    return 0
                    ;;
                --jobs)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --duration)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --speed)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --replay)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --as)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --fail-rate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --owner)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --patience)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis-ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-cert)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-sentinel-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__run)
            opts="-h --pty --progress-regex --log --show-command --heartbeat --quiet --redis --redis-ca --redis-cert --redis-key --redis-insecure --redis-sentinel-password --durable --server --ca --insecure --publish-key --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --pty)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --progress-regex)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --heartbeat)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis-ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-cert)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-sentinel-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__schema)
            opts="-h --format --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --format)
                    COMPREPLY=($(compgen -W "json-schema typescript" -- "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__serve)
            opts="-h --listen --port-file --redis --redis-ca --redis-cert --redis-key --redis-insecure --redis-sentinel-password --allowed-origins --trust-proxy --publish-key --channel-prefix --celery-prefix --celery-traceback --bullmq-prefix --bullmq-queues --probe --ping-interval --drain --no-page --unknown-grace --print-config --auth --jwt-secret --jwt-key --jwks --jwt-audience --no-auth --ownerless --max-lifetime --echo-polling --lists --streams --stream-history --simulate --simulate-duration --max-payload --max-frame --max-header --header-timeout --outbox --keep-jobs --keep-bytes --keep-ended --tail --shards --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --listen)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --port-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redis-ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-cert)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --redis-sentinel-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allowed-origins)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --trust-proxy)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --channel-prefix)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --celery-prefix)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --bullmq-prefix)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --bullmq-queues)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ping-interval)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drain)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --unknown-grace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --auth)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-secret)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --jwks)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-audience)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ownerless)
                    COMPREPLY=($(compgen -W "refuse allow" -- "${cur}"))
                    return 0
                    ;;
                --max-lifetime)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --lists)
                    COMPREPLY=($(compgen -W "local open" -- "${cur}"))
                    return 0
                    ;;
                --streams)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --stream-history)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --simulate-duration)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --max-payload)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --max-frame)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --max-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --header-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --outbox)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --keep-jobs)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --keep-bytes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --keep-ended)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --tail)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --shards)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__token)
            opts="-h --sub --exp --claim --jwt-secret --jwt-audience --config --dialect-file --color --log-level --help explain"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --sub)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --exp)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --claim)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-secret)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-audience)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__token__subcmd__explain)
            opts="-h --jwt-secret --jwt-key --jwt-audience --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --jwt-secret)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --jwt-key)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --jwt-audience)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        jobwire__subcmd__top)
            opts="-h --token --token-file --server --ca --insecure --publish-key --interval --once --output --state --dialect --sort --limit --config --dialect-file --color --log-level --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --token)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --token-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --server)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --ca)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --publish-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --interval)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -W "text json" -- "${cur}"))
                    return 0
                    ;;
                --state)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect)
                    COMPREPLY=($(compgen -W "downloads scraping channels celery bullmq jobs tasks" -- "${cur}"))
                    return 0
                    ;;
                --sort)
                    COMPREPLY=($(compgen -W "state name percent elapsed watchers updated started" -- "${cur}"))
                    return 0
                    ;;
                --limit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dialect-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --color)
                    COMPREPLY=($(compgen -W "auto always never" -- "${cur}"))
                    return 0
                    ;;
                --log-level)
                    COMPREPLY=($(compgen -W "off error warn info debug trace" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _jobwire -o nosort -o bashdefault -o default jobwire
else
    complete -F _jobwire -o bashdefault -o default jobwire
fi

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
            --allowed-origins | --as | --assert | --auth | --bullmq-prefix | --bullmq-queues | --ca | --celery-prefix | --channel | --channel-prefix | --churn | --claim | --color | --config | --connect-rate | --connections | --csv | --cut | --dialect | --dialect-file | --drain | --duration | --echo | --end | --events | --exp | --fail-rate | --find | --format | --header | --header-timeout | --heartbeat | --hgrm | --hlog | --html | --interval | --jobs | --junit | --jwks | --jwt-audience | --jwt-key | --jwt-secret | --keep-bytes | --keep-ended | --keep-jobs | --limit | --listen | --lists | --log-level | --markdown | --max-clock-error | --max-frame | --max-header | --max-lifetime | --max-payload | --milestones | --only | --outbox | --output | --owner | --ownerless | --patience | --payload-size | --ping-interval | --port-file | --probe | --progress | --progress-regex | --pty | --publish-key | --publish-url | --ramp | --rate | --record | --redis | --redis-ca | --redis-cert | --redis-key | --redis-sentinel-password | --remote-workers | --repeat | --replay | --retries | --scenario | --seed | --server | --server-pid | --shards | --simulate-duration | --slow | --slow-rate | --sort | --source-ip | --speed | --stalled | --state | --step-timeout | --stream-history | --streams | --sub | --tail | --targets-per-connection | --threads | --timeout | --token | --token-file | --transport | --trust-proxy | --unknown-grace | --until-idle | --wait | --warm-up | --within | --workers | -H | -c | -d | -n | -r) skip=1 flag=$word ;;
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
        _jobwire_offer "${current#[\'\"]}" delivery.p50 delivery.p75 delivery.p90 delivery.p95 delivery.p99 delivery.p99.9 delivery.p99.99 delivery.mean delivery.min delivery.max connect.p50 connect.p75 connect.p90 connect.p95 connect.p99 connect.p99.9 connect.p99.99 connect.mean connect.min connect.max connect.tcp.p50 connect.tcp.p75 connect.tcp.p90 connect.tcp.p95 connect.tcp.p99 connect.tcp.p99.9 connect.tcp.p99.99 connect.tcp.mean connect.tcp.min connect.tcp.max connect.tls.p50 connect.tls.p75 connect.tls.p90 connect.tls.p95 connect.tls.p99 connect.tls.p99.9 connect.tls.p99.99 connect.tls.mean connect.tls.min connect.tls.max connect.upgrade.p50 connect.upgrade.p75 connect.upgrade.p90 connect.upgrade.p95 connect.upgrade.p99 connect.upgrade.p99.9 connect.upgrade.p99.99 connect.upgrade.mean connect.upgrade.min connect.upgrade.max connect.first_message.p50 connect.first_message.p75 connect.first_message.p90 connect.first_message.p95 connect.first_message.p99 connect.first_message.p99.9 connect.first_message.p99.99 connect.first_message.mean connect.first_message.min connect.first_message.max round_trip.p50 round_trip.p75 round_trip.p90 round_trip.p95 round_trip.p99 round_trip.p99.9 round_trip.p99.99 round_trip.mean round_trip.min round_trip.max reconnect.p50 reconnect.p75 reconnect.p90 reconnect.p95 reconnect.p99 reconnect.p99.9 reconnect.p99.99 reconnect.mean reconnect.min reconnect.max send_lag.p50 send_lag.p75 send_lag.p90 send_lag.p95 send_lag.p99 send_lag.p99.9 send_lag.p99.99 send_lag.mean send_lag.min send_lag.max slow.delivery.p50 slow.delivery.p75 slow.delivery.p90 slow.delivery.p95 slow.delivery.p99 slow.delivery.p99.9 slow.delivery.p99.99 slow.delivery.mean slow.delivery.min slow.delivery.max storm.delivery.p50 storm.delivery.p75 storm.delivery.p90 storm.delivery.p95 storm.delivery.p99 storm.delivery.p99.9 storm.delivery.p99.99 storm.delivery.mean storm.delivery.min storm.delivery.max lost conflated missing twice duplicated reordered misrouted connect.failed closed_early publish.failed round_trip.lost slow.lost churn.lost storm.lost garbage expected received connections gaps connect.rate publish.rate reconnect.all_back server.cpu client.cpu server.rss_per_connection client.rss_per_connection
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
        bench/1) words=(fanout connect idle echo storm worker compare downloads downloads/ scraping scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery celery/ bullmq bullmq/ jobs jobs/ tasks tasks/) ;;
        bench/*)
            case $target in
                compare)
                    compopt -o filenames 2>/dev/null
                    COMPREPLY=($(compgen -f -- "$current"))
                    return
                    ;;
                worker) ;;
                *) ((positionals == 2)) && words=(downloads downloads/ scraping scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery celery/ bullmq bullmq/ jobs jobs/ tasks tasks/) ;;
            esac
            ;;
        attach/*)
            words=(downloads/ scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery/ bullmq/ jobs/ tasks/)
            _jobwire_jobs
            ;;
        publish/1)
            words=(downloads/ scraping/ channels celery/ bullmq/ jobs/ tasks/)
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
        downloads | downloads/*) words=(completed failed processing queued status) ;;
        scraping | scraping/*) words=(job_completed job_failed job_progress job_started results_updated scraper_completed scraper_failed scraper_started) ;;
        channels | channels/*) words=(ai:analysis_complete ai:conversation_processed ai:email_generated ai:lead_analyzed ai:model_trained ai:processing ai:response_ready campaign:completed campaign:email_failed campaign:email_sent campaign:launched campaign:paused campaign:resumed campaign:stats_updated demo:completed demo:composing demo:failed demo:generating demo:recording demo:uploading email:bounced email:clicked email:delivered email:opened email:sent email:unsubscribed lead:created notification:system scraper:completed scraper:failed scraper:google_maps_progress scraper:job_board_progress scraper:lead_found scraper:linkedin_progress scraper:progress scraper:started) ;;
        celery | celery/*) words=() ;;
        bullmq | bullmq/*) words=() ;;
        jobs | jobs/*) words=(cancelled failed log part_done part_failed part_started progress queued started succeeded) ;;
        tasks | tasks/*) words=(completion error progress registered) ;;
    esac
}

_jobwire_fields() {
    case $1 in
        'downloads completed' | downloads/*' completed') words=(progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=) ;;
        'downloads failed' | downloads/*' failed') words=(progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=) ;;
        'downloads processing' | downloads/*' processing') words=(progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=) ;;
        'downloads queued' | downloads/*' queued') words=(progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=) ;;
        'downloads status' | downloads/*' status') words=(status=queued status=processing status=completed status=failed progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=) ;;
        'scraping job_completed' | scraping/*' job_completed') words=(progress= results_count= message= metadata=) ;;
        'scraping job_failed' | scraping/*' job_failed') words=(progress= results_count= message= metadata=) ;;
        'scraping job_progress' | scraping/*' job_progress') words=(progress= results_count= message= metadata= successful_scrapers= failed_scrapers= total_flights=) ;;
        'scraping job_started' | scraping/*' job_started') words=(progress= results_count= message= metadata= job_type= source=) ;;
        'scraping results_updated' | scraping/*' results_updated') words=(progress= results_count= message= metadata=) ;;
        'scraping scraper_completed' | scraping/*' scraper_completed') words=(progress= results_count= message= metadata= scraper_name= route= scraper_results=) ;;
        'scraping scraper_failed' | scraping/*' scraper_failed') words=(progress= results_count= message= metadata= scraper_name= route= error=) ;;
        'scraping scraper_started' | scraping/*' scraper_started') words=(progress= results_count= message= metadata= scraper_name= route=) ;;
        'channels ai:analysis_complete' | channels/*' ai:analysis_complete') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:conversation_processed' | channels/*' ai:conversation_processed') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:email_generated' | channels/*' ai:email_generated') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:lead_analyzed' | channels/*' ai:lead_analyzed') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:model_trained' | channels/*' ai:model_trained') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:processing' | channels/*' ai:processing') words=(task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=) ;;
        'channels ai:response_ready' | channels/*' ai:response_ready') words=(task_id= conversation_id= response= confidence= tokens_used=) ;;
        'channels campaign:completed' | channels/*' campaign:completed') words=(campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=) ;;
        'channels campaign:email_failed' | channels/*' campaign:email_failed') words=(campaign_id= recipient= error= email_id=) ;;
        'channels campaign:email_sent' | channels/*' campaign:email_sent') words=(campaign_id= recipient= error= email_id=) ;;
        'channels campaign:launched' | channels/*' campaign:launched') words=(campaign_id= campaign_name= total_recipients=) ;;
        'channels campaign:paused' | channels/*' campaign:paused') words=(campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=) ;;
        'channels campaign:resumed' | channels/*' campaign:resumed') words=(campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=) ;;
        'channels campaign:stats_updated' | channels/*' campaign:stats_updated') words=(campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=) ;;
        'channels demo:completed' | channels/*' demo:completed') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels demo:composing' | channels/*' demo:composing') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels demo:failed' | channels/*' demo:failed') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels demo:generating' | channels/*' demo:generating') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels demo:recording' | channels/*' demo:recording') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels demo:uploading' | channels/*' demo:uploading') words=(demo_id= percent= duration= message= url= error=) ;;
        'channels email:bounced' | channels/*' email:bounced') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels email:clicked' | channels/*' email:clicked') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels email:delivered' | channels/*' email:delivered') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels email:opened' | channels/*' email:opened') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels email:sent' | channels/*' email:sent') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels email:unsubscribed' | channels/*' email:unsubscribed') words=(email_id= campaign_id= recipient= url= reason=) ;;
        'channels lead:created' | channels/*' lead:created') words=(lead_id= lead_name= source= email=) ;;
        'channels notification:system' | channels/*' notification:system') words=(message= level=info level=warning level=error) ;;
        'channels scraper:completed' | channels/*' scraper:completed') words=(scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=) ;;
        'channels scraper:failed' | channels/*' scraper:failed') words=(scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=) ;;
        'channels scraper:google_maps_progress' | channels/*' scraper:google_maps_progress') words=(scraper_id= source= current= total= leads_found= message=) ;;
        'channels scraper:job_board_progress' | channels/*' scraper:job_board_progress') words=(scraper_id= source= current= total= leads_found= message=) ;;
        'channels scraper:lead_found' | channels/*' scraper:lead_found') words=(scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=) ;;
        'channels scraper:linkedin_progress' | channels/*' scraper:linkedin_progress') words=(scraper_id= source= current= total= leads_found= message=) ;;
        'channels scraper:progress' | channels/*' scraper:progress') words=(scraper_id= source= current= total= leads_found= message=) ;;
        'channels scraper:started' | channels/*' scraper:started') words=(scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=) ;;
        'jobs cancelled' | jobs/*' cancelled') words=(percent= message= error= exit_code= signal=) ;;
        'jobs failed' | jobs/*' failed') words=(percent= message= error= exit_code= signal=) ;;
        'jobs log' | jobs/*' log') words=(line= stream=stdout stream=stderr part=) ;;
        'jobs part_done' | jobs/*' part_done') words=(percent= step= total= message= part=) ;;
        'jobs part_failed' | jobs/*' part_failed') words=(percent= step= total= message= part= error=) ;;
        'jobs part_started' | jobs/*' part_started') words=(percent= step= total= message= part=) ;;
        'jobs progress' | jobs/*' progress') words=(percent= step= total= message= part=) ;;
        'jobs queued' | jobs/*' queued') words=(message=) ;;
        'jobs started' | jobs/*' started') words=(total= message= host= pid= command=) ;;
        'jobs succeeded' | jobs/*' succeeded') words=(message= result=) ;;
        'tasks completion' | tasks/*' completion') words=(status= message= recipe_id= recipe_name= user_id=) ;;
        'tasks error' | tasks/*' error') words=(status= error= message= user_id=) ;;
        'tasks progress' | tasks/*' progress') words=(step= total_steps= status= details= user_id=) ;;
        'tasks registered' | tasks/*' registered') words=(user_id=) ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _jobwire_targets -o nosort -o bashdefault -o default jobwire
else
    complete -F _jobwire_targets -o bashdefault -o default jobwire
fi
