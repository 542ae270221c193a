# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_jobwire_global_optspecs
    string join \n config= dialect-file= color= log-level= h/help V/version
end

function __fish_jobwire_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_jobwire_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_jobwire_using_subcommand
    set -l cmd (__fish_jobwire_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c jobwire -n "__fish_jobwire_needs_command" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_needs_command" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_needs_command" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_needs_command" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_needs_command" -s V -l version -d 'Print version'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "serve" -d 'Run the relay: publications in, WebSocket frames out'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "publish" -d 'Emit events: into Redis, or over HTTP to a relay'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "attach" -d 'Watch jobs until they end, or channels: bars, lines or JSON, and the jobs\' result as the exit code'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "run" -d 'Run a command and tell of it as a job: start, progress, end'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "bench" -d 'Load a server with connections and events: latency, losses, memory, a verdict'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "check" -d 'Smoke test: publish and receive through a relay, and say what is broken and what to do'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "top" -d 'What a relay is doing, live: its jobs, watchers, rates, slow clients and its Redis'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "token" -d 'Make a token (JWT) for those who watch, or explain one'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "demo" -d 'See it all at once: a relay, simulated jobs and their bars, with nothing to install'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "schema" -d 'Print types of the events of a dialect, of its polling body and of the messages of sockets: JSON Schema or TypeScript'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "completions" -d 'Print shell completions: verbs, flags, targets, events and their fields'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "man" -d 'Write the manual pages, one for each verb and others by subject, into a directory'
complete -c jobwire -n "__fish_jobwire_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l listen -d 'Where to listen, as HOST:PORT; repeatable. Port 0 takes a free one [default: 127.0.0.1:8000, and with a command 127.0.0.1:0]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l port-file -d 'Write the port of the first listener to this file or pipe once it listens; a file is replaced in one step if its folder takes new files, and removed at the end' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis -d 'The Redis to relay from: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user, password and database. Without one an embedded broker serves' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis-ca -d 'Trust the certificates in this PEM file rather than the system\'s, at rediss://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis-cert -d 'The certificate to show to Redis, with those that lead from it to an authority, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis-key -d 'The private key of that certificate, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis-sentinel-password -d 'The password of the sentinels of redis+sentinel://, where they want one; it is not Redis\' own' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l allowed-origins -d 'Origins of web pages that may connect, comma-separated, also https://*.example.com and null; * alone allows all [default: loopback pages, any port]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l trust-proxy -d 'Networks of proxies whose X-Forwarded-For is believed, as addresses or CIDR; repeatable or comma-separated [default: none]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l publish-key -d 'The key that POST /publish wants [default: a new one, left where `jobwire publish` finds it]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l channel-prefix -d 'What stands before the names of channels on Redis' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l celery-prefix -d 'Celery\'s own global_keyprefix (in result_backend_transport_options), where it has one' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l bullmq-prefix -d 'BullMQ\'s own prefix, where its queues have another one' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l bullmq-queues -d 'Names of the BullMQ queues whose jobs can be watched; repeatable or comma-separated [default: those that are there]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l probe -d 'Silence after which a probe is published and has 5 s to come back, or the subscription counts as dead; 0: no probes' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l ping-interval -d 'How often sockets are pinged; one that answers nothing for two intervals is closed' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l drain -d 'How long all sockets may take to close at shutdown' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l unknown-grace -d 'How long a job that nobody has heard of may take to appear [default: what its dialect says]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l auth -d 'Access to a dialect\'s jobs or channels: none (everybody watches), token (holders of a valid token) or owner (the one whose sub the job belongs to); repeatable [default: owner for tasks, what its file says for a dialect of your own, none for all others]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l jwt-secret -d 'The secret that tokens (JWT) are signed with by HS256, its bytes as they stand' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l jwt-key -d 'A PEM file with public keys that tokens are signed with by RS256, PS256, ES256, ES384 or EdDSA, beside the secret; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l jwks -d 'URL of a JSON Web Key Set with such keys; repeatable' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l jwt-audience -d 'The audience that a token must name in its `aud` [default: it may name any, or none]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l ownerless -d 'What becomes of who watches a task that is unknown, or that nobody owns, once its grace is over; allow: it is held open for any valid token, until the task turns out to be another\'s' -r -f -a "refuse\t''
allow\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l max-lifetime -d 'How long a connection lives at most, in dialects that limit it; they end spread over the last tenth of it, with 1001, or 1000 if the job has ended. 0 lifts the limit [default: what the dialect says, 60m for tasks]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l lists -d 'Who may list jobs, by GET /jobs and the target DIALECT/*, besides bearers of the publish key and of tokens whose claim watch covers them; local: whoever addresses a loopback listener by a loopback name' -r -f -a "local\t''
open\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l streams -d 'Dialects whose events come by Redis Streams (XADD) instead of PUBLISH, comma-separated, or all: none is lost while the relay is away' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l stream-history -d 'How far back streams are read at the start, for the states of jobs; at most 100,000 entries of each' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l simulate-duration -d 'How long a simulated task takes at most' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l max-payload -d 'The largest payload that is relayed' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l max-frame -d 'The largest frame or message a client may send' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l max-header -d 'The largest request header; at least 8KiB' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l header-timeout -d 'How long a request\'s header may take' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l outbox -d 'What may wait for one socket that reads too slowly, before it is closed with 1013' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l keep-jobs -d 'Jobs whose state is kept' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l keep-bytes -d 'Memory that the state of jobs may take' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l keep-ended -d 'How long a job\'s state is kept after its ending' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l tail -d 'Events of a job, progress and log aside, that are kept for clients that come back; 64KiB of its progress, 50 lines or 256KiB of its log and, of each channel, 1000 events or 256KiB are kept beside 200, and as many times more or less beside another number' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l shards -d 'Threads that own sockets [default: one less than there are cores]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l redis-insecure -d 'Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l celery-traceback -d 'Show watchers of Celery\'s tasks their traceback, args and kwargs, which are null otherwise'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l no-page -d 'Serve no page at /, which shows browsers the jobs that they may see'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l print-config -d 'Print the effective configuration as TOML, with the origin of each value and without secrets, and exit'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l no-auth -d 'Ask nobody for a token: everybody may watch everything. Goes before --jwt-secret, --jwt-key and --jwks'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l echo-polling -d 'Send the polling body after each event of a task, for clients that understand nothing else'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -l simulate -d 'Be the backend as well, for an app that has none yet: POST /scrape/async takes {"url":…,"language":…} and answers {"task_id":…}, and the task reports on itself'
complete -c jobwire -n "__fish_jobwire_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l channel -d 'The channel, where it is another than the one that the event\'s type belongs to' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l channel-prefix -d 'What stands before the names of channels on Redis; the same as the relay\'s' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l end -d 'End the job: succeeded, failed, cancelled, or as a command whose exit code is given, as in exit:$?; with --stdin after its last line, where `exit` alone takes the code from a line exit:CODE of the input' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l repeat -d 'Publish the event so many times' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l rate -d 'Publish at most so many events a second' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l scenario -d 'Publish the events of simulated jobs: scraping, downloads, tasks, channels, jobs or all' -r -f -a "scraping\t''
downloads\t''
tasks\t''
channels\t''
jobs\t''
all\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l jobs -d 'How many jobs to simulate; of channels one is a campaign, a scraper, a demo or a conversation, in turn, and all shares them out' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l duration -d 'How long the simulated jobs take together, as in 20s or 5m' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l speed -d 'How much faster than that, or than it was recorded, to go: 2 is twice as fast, 0.5 half as fast; max plays a recording without pauses' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l replay -d 'Publish the events of a recording (`attach --record`) with the times between them; `-` is standard input' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l as -d 'With --replay: publish the events as those of this job, or on this channel; everything but the job\'s id stays' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l fail-rate -d 'The share of simulated jobs that fail, 0 to 1; of those of jobs some are cancelled instead, a campaign is paused, and conversations go on' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l owner -d 'Whose the simulated tasks are: a watcher\'s token names the same subject' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l seed -d 'Simulate the same events again; the seed of every run is printed [default: random]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l patience -d 'How long to try again where Redis or the relay is away: for a single event, or from the end of standard input or a scenario on [default: 10s, and not at all for a single event]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis -d 'The Redis to publish into: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user, password and database' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis-ca -d 'Trust the certificates in this PEM file rather than the system\'s, at rediss://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis-cert -d 'The certificate to show to Redis, with those that lead from it to an authority, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis-key -d 'The private key of that certificate, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis-sentinel-password -d 'The password of the sentinels of redis+sentinel://, where they want one; it is not Redis\' own' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l server -d 'The relay, or another server of the contracts: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l publish-key -d 'The relay\'s publish key, for events that go through it [default: the one that `jobwire serve` left for its user]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l unchecked -d 'Publish whatever it is: an event or a field that the catalogue does not know, a value of another type'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l stdin -d 'Read events from standard input, one a line: JSON, a percentage, \'# text\', or output of a program with progress in it'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l require-subscribers -d 'Fail (exit 1) if an event reaches nobody; otherwise that is a warning'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l quiet -d 'Say nothing but errors on stderr: no notes, no warnings'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l redis-insecure -d 'Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l durable -d 'Append events to Redis Streams, for relays with --streams, rather than publish them; needs --redis or REDIS_URL'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -l list -d 'Print the events and fields of all dialects, of TARGET\'s, or of one event, and exit'
complete -c jobwire -n "__fish_jobwire_using_subcommand publish" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l token -d 'The token that says who you are, for relays that want one; the server is sent it, or the one that all URLs name, and no other. A JWT with exp and, as sub, the job\'s owner where that counts' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l token-file -d 'A file with that token, read at every attempt to connect, so that a token that is refreshed there carries on' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l server -d 'The relay, or another server of the contracts: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l progress -d 'How to show what happens; auto is bars on a terminal and plain lines elsewhere' -r -f -a "auto\t'Bars on a terminal, plain lines elsewhere'
bars\t'Live bars on stderr'
plain\t'A line per change on stdout'
json\t'NDJSON on stdout'
quiet\t'Nothing; the exit code tells'"
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l events -d 'Show only these kinds of event, comma-separated, as lines or JSON; the exit code goes by all of them' -r -f -a "FAILURE\t''
RETRY\t''
REVOKED\t''
STARTED\t''
SUCCESS\t''
active\t''
added\t''
ai:analysis_complete\t''
ai:conversation_processed\t''
ai:email_generated\t''
ai:lead_analyzed\t''
ai:model_trained\t''
ai:processing\t''
ai:response_ready\t''
campaign:completed\t''
campaign:email_failed\t''
campaign:email_sent\t''
campaign:launched\t''
campaign:paused\t''
campaign:resumed\t''
campaign:stats_updated\t''
cancelled\t''
completed\t''
completion\t''
connection\t''
delayed\t''
demo:completed\t''
demo:composing\t''
demo:failed\t''
demo:generating\t''
demo:recording\t''
demo:uploading\t''
duplicated\t''
email:bounced\t''
email:clicked\t''
email:delivered\t''
email:opened\t''
email:sent\t''
email:unsubscribed\t''
error\t''
failed\t''
heartbeat\t''
job_completed\t''
job_failed\t''
job_progress\t''
job_started\t''
lead:created\t''
log\t''
notification:system\t''
part_done\t''
part_failed\t''
part_started\t''
processing\t''
progress\t''
queued\t''
registered\t''
removed\t''
results_updated\t''
retries-exhausted\t''
scraper:completed\t''
scraper:failed\t''
scraper:google_maps_progress\t''
scraper:job_board_progress\t''
scraper:lead_found\t''
scraper:linkedin_progress\t''
scraper:progress\t''
scraper:started\t''
scraper_completed\t''
scraper_failed\t''
scraper_started\t''
stalled\t''
started\t''
status\t''
succeeded\t''
waiting\t''
waiting-children\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l timeout -d 'Stop waiting after this time and exit 8' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l until-idle -d 'With DIALECT/*: end when no job has run for this time' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l publish-key -d 'The relay\'s publish key, which lets DIALECT/* be watched; a relay of this user on this machine leaves it where attach finds it' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l junit -d 'Write what came of the jobs as JUnit XML, a test case for each, for CI servers; written at every end, by a signal or --timeout too' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l record -d 'Record all that comes, whatever is shown of it: NDJSON with times, which `publish --replay` plays. `-` is stdout. A file that is there is replaced at the beginning' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l retries -d 'Failed attempts to connect in a row that are followed by another' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l dialect -d 'The dialect of targets that name none, in place of jobs, and of ws:// URLs whose path does not tell it' -r -f -a "downloads\t''
scraping\t''
channels\t''
celery\t''
bullmq\t''
jobs\t''
tasks\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l fail-fast -d 'End as soon as one job fails'
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -l new -d 'Wait for a new run of a job that has ended'
complete -c jobwire -n "__fish_jobwire_using_subcommand attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l pty -d 'When the command\'s output goes through a pseudoterminal' -r -f -a "auto\t'For a stream that is a terminal'
always\t'Always, so that a command draws as on a terminal'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l progress-regex -d 'Find progress by this regular expression, whose named groups are percent (0 to 100), step, total and message, in place of the forms that are built in' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l heartbeat -d 'Publish the newest progress again after a silence of this length, as in 30s, for relays that start later' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis -d 'The Redis to publish into: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user, password and database' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis-ca -d 'Trust the certificates in this PEM file rather than the system\'s, at rediss://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis-cert -d 'The certificate to show to Redis, with those that lead from it to an authority, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis-key -d 'The private key of that certificate, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis-sentinel-password -d 'The password of the sentinels of redis+sentinel://, where they want one; it is not Redis\' own' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l server -d 'The relay, or another server of the contracts: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l publish-key -d 'The relay\'s publish key, for events that go through it [default: the one that `jobwire serve` left for its user]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l log -d 'Publish the lines of the output too'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l show-command -d 'Publish the whole command line rather than the program\'s name'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l quiet -d 'Do not say how to watch the job'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l redis-insecure -d 'Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l durable -d 'Append events to Redis Streams, for relays with --streams, rather than publish them; needs --redis or REDIS_URL'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l server -d 'The server of a target that names none: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l dialect -d 'The dialect of a ws:// URL whose path does not tell it' -r -f -a "downloads\t''
scraping\t''
channels\t''
celery\t''
bullmq\t''
jobs\t''
tasks\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis -d 'The Redis to publish into, and through which workers know each other: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user and password' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis-ca -d 'Trust the certificates in this PEM file rather than the system\'s, at rediss://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis-cert -d 'The certificate to show to Redis, with those that lead from it to an authority, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis-key -d 'The private key of that certificate, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis-sentinel-password -d 'The password of the sentinels of redis+sentinel://, where they want one; it is not Redis\' own' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l publish-url -d 'Publish with POST to this URL, rather than into --redis; {channel} in it is replaced' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l publish-key -d 'The key for publishing by POST, to --publish-url or, without --redis, to the relay itself [default: the one that `jobwire serve` left for its user]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s H -l header -d 'A header of every request, as in \'Name: value\'; repeatable. {conn} in it, and in URLs, is the number of the connection, {job} the id of its job' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l token -d 'A token for servers that want one; it becomes ?token=' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l owner -d 'Whose the jobs are, where a dialect has owners: the token\'s subject [default with several tokens in --token-file, and as many jobs or a multiple: each job is the subject\'s whose token its connections have]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s c -l connections -d 'How many connections' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l connect-rate -d 'Open so many connections a second [default: as fast as they open]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l jobs -d 'Spread the connections over so many jobs' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s r -l rate -d 'Events (or round trips) a second, over all jobs' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s d -l duration -d 'The measured time, 366 days at most' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l warm-up -d 'Time before it that is not measured' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l ramp -d 'How the rate goes: flat, linear (from nothing), or steps:N' -r -f -a "flat\t''
linear\t''
steps:2\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s n -l events -d 'Publish at most so many events; with connect: open so many connections, -c at a time' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l payload-size -d 'Fill events up to this length, 1MiB at most' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l milestones -d 'The share of events that nothing may replace; a missing one of these is lost, never conflated' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l slow -d 'The share of connections that read slowly' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l slow-rate -d 'How many bytes a second those read [default: half of what comes]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l stalled -d 'The share of connections that never read' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l churn -d 'Let so many connections leave and come back, as in 10/s' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l cut -d 'The share of connections that a storm cuts' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l echo -d 'What a round trip is: a WebSocket ping, or text that the server sends back' -r -f -a "ping\t'A WebSocket ping'
text\t'Text that comes back'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l source-ip -d 'Connect from these addresses in turns: a list, with ranges as in 127.0.0.1-127.0.0.4' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l threads -d 'Threads that hold connections [default: as few as can hold them and read what comes]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l server-pid -d 'Report memory and CPU of these processes of the server [default: what a jobwire relay says of itself in /ws/stats]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l assert -d 'Demand something of the result, as in \'delivery.p99<50ms\'; repeatable' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l find -d 'Search for the most connections, or the highest rate, that keeps the limits of --within' -r -f -a "connections\t'How many connections'
rate\t'How many events a second'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l within -d 'The limits of a search, comma-separated' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l workers -d 'Share the connections among so many processes on this host, which know each other through --redis. What they are to do, headers and token included, lies there until all have read it, a minute at most' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l remote-workers -d 'And among so many on other hosts, where `jobwire bench worker --redis URL` waits: of the same version and, for a dialect of your own, with its --dialect-file. Whoever can write to that Redis can give them work' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l max-clock-error -d 'Refuse workers whose clock, and that of this machine, are known less exactly than this. Where they drift further apart while events are published, the result is partial' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l transport -d 'What connections speak: WebSocket, or Server-Sent Events' -r -f -a "ws\t'WebSocket'
sse\t'Server-Sent Events'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l targets-per-connection -d 'With --watch: so many jobs a connection, 1000 at most' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l token-file -d 'A file with a token a line, which connections take in turns' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l output -d 'What to print on stdout' -r -f -a "text\t'For people'
json\t'For programs'
quiet\t'Nothing; the exit code tells'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l hgrm -d 'Write the percentile distribution in milliseconds, for HdrHistogram\'s plotters and those of wrk2; - is stdout, here and below' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l hlog -d 'Write a HdrHistogram interval log in microseconds, an interval a second' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l csv -d 'Write a row a second' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l markdown -d 'Write tables to paste into an issue' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l html -d 'Write a page with curves, which needs nothing else' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l junit -d 'Write the verdict as JUnit XML, a test case for each assertion, for CI servers; written at every end of a run' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l redis-insecure -d 'Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l durable -d 'Append events to Redis Streams, for a relay with --streams, rather than publish them; needs --redis or REDIS_URL'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l allow-client-bound -d 'Take a result even if this client was the bottleneck'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l once -d 'With worker: take part in one run and end, rather than wait for the next'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l deflate -d 'Offer permessage-deflate; the report says how many connections got it'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l msgpack -d 'Ask for MessagePack by the subprotocol jobwire.msgpack; a server without it is refused'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l watch -d 'Subscribe through /watch, rather than by the route of the target\'s contract'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l resume -d 'Connections that a storm, --churn or the server ends come back with their last cursor, and what they then miss is lost. Where events go is waited for while it is away'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -l no-live -d 'Show nothing while it goes on; without a terminal on stderr nothing is shown anyway'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and not __fish_seen_subcommand_from compare" -a "compare" -d 'Say what got better or worse between runs, beyond noise'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l output -d 'What to print on stdout' -r -f -a "text\t'For people'
json\t'For programs'
quiet\t'Nothing; the exit code tells'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -l fail-on-regression -d 'Exit 1 if anything got worse beyond noise'
complete -c jobwire -n "__fish_jobwire_using_subcommand bench; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis -d 'The Redis to publish into: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user, password and database' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis-ca -d 'Trust the certificates in this PEM file rather than the system\'s, at rediss://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis-cert -d 'The certificate to show to Redis, with those that lead from it to an authority, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis-key -d 'The private key of that certificate, as PEM' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis-sentinel-password -d 'The password of the sentinels of redis+sentinel://, where they want one; it is not Redis\' own' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l server -d 'The relay, or another server of the contracts: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l publish-key -d 'The relay\'s publish key, for events that go through it [default: the one that `jobwire serve` left for its user]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l token -d 'The token that says who you are, for relays that want one; the server is sent it, or the one that all URLs name, and no other. A JWT with exp and, as sub, the job\'s owner where that counts' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l token-file -d 'A file with that token, read at every attempt to connect, so that a token that is refreshed there carries on' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l channel-prefix -d 'Prefix of the names of channels on Redis, as the relay has it' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l dialect -d 'Try these dialects alone, comma-separated, as in scraping,jobs' -r -f -a "downloads\t''
scraping\t''
channels\t''
celery\t''
bullmq\t''
jobs\t''
tasks\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l only -d 'Try these steps alone, comma-separated, as in health,websocket. Steps that they need are taken too, and shown if they fail' -r -f -a "tcp\t''
tls\t''
health\t''
ready\t''
version\t''
clock\t''
redis\t''
publish\t''
websocket\t''
sse\t''
watch\t''
polling\t''
resume\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l wait -d 'Longest wait until the relay is ready, as in 30s; without it, the check does not wait' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l step-timeout -d 'Longest time of each step, more than 0' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l output -d 'Format of the report on stdout' -r -f -a "text\t'One line for each step'
json\t'A JSON document'
junit\t'JUnit XML'"
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l redis-insecure -d 'Trust whoever answers at rediss://, whatever the certificate; ?ssl_cert_reqs=none in the URL does so too'
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l durable -d 'Append events to Redis Streams, for relays with --streams, rather than publish them; needs --redis or REDIS_URL'
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l token -d 'The token that says who you are, for relays that want one; the server is sent it, or the one that all URLs name, and no other. A JWT with exp and, as sub, the job\'s owner where that counts' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l token-file -d 'A file with that token, read at every attempt to connect, so that a token that is refreshed there carries on' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l server -d 'The relay, or another server of the contracts: a ws, wss, http or https URL' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l ca -d 'Trust the certificates in this PEM file rather than the system\'s, at wss:// and https://; a copy of a server\'s own self-signed one does' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l publish-key -d 'The relay\'s publish key, which lets jobs and clients be listed; a relay of this user on this machine leaves it where top finds it' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l interval -d 'Time between two looks at the relay, and over which rates are measured' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l output -d 'With --once: what to print' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l state -d 'Show jobs in these states, comma-separated: running, queued, failed, cancelled, succeeded' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l dialect -d 'Show jobs of this dialect' -r -f -a "downloads\t''
scraping\t''
channels\t''
celery\t''
bullmq\t''
jobs\t''
tasks\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l sort -d 'Order of the jobs' -r -f -a "state\t'Those at work first, the newest first'
name\t'By name'
percent\t'The furthest first'
elapsed\t'The longest first'
watchers\t'The most watched first'
updated\t'The last heard of first'
started\t'The last begun first'"
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l limit -d 'With --once: print at most so many jobs, the first by the order' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l insecure -d 'Trust whoever answers at wss:// and https://, whatever the certificate'
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -l once -d 'Print one sample on stdout and end'
complete -c jobwire -n "__fish_jobwire_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l sub -d 'Whose the token is: the owner of the jobs that it opens' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l exp -d 'How long it is good for' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l claim -d 'Another claim: NAME=TEXT, or NAME:=JSON; watch=PATTERN,PATTERN restricts the token to these targets (celery/*, channel:campaigns, room:lead:7); repeatable' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l jwt-secret -d 'The secret that tokens (JWT) are signed with by HS256, its bytes as they stand' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l jwt-audience -d 'The audience that the token names in its `aud`, where the relay wants one' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and not __fish_seen_subcommand_from explain" -f -a "explain" -d 'Say what a token allows, and all that is wrong with it'
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l jwt-secret -d 'The secret that tokens (JWT) are signed with by HS256, its bytes as they stand' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l jwt-key -d 'A PEM file with public keys that tokens are signed with by RS256, PS256, ES256, ES384 or EdDSA, beside the secret; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l jwt-audience -d 'The audience that a token must name in its `aud` [default: it may name any, or none]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand token; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l duration -d 'How long all of it takes' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l jobs -d 'Jobs, shared out among the dialects' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l fail-rate -d 'The share of jobs that fail, 0 to 1; with any the demo exits 1' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l seed -d 'The same seed gives the same jobs [default: a random one, shown at the end]' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l replay -d 'Show the events of a recording (`attach --record`) in place of simulated jobs; `-` is standard input' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l speed -d 'With --replay: how much faster than it was recorded to go; max leaves out the pauses' -r
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l progress -d 'How to show it; auto: bars on a terminal, plain lines elsewhere' -r -f -a "auto\t'Bars on a terminal, plain lines elsewhere'
bars\t'Live bars on stderr'
plain\t'A line per change on stdout'
json\t'NDJSON on stdout'
quiet\t'Nothing; the exit code tells'"
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -l format -d 'The language of the types' -r -f -a "json-schema\t'JSON Schema, draft 2020-12'
typescript\t'Declarations of TypeScript'"
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand completions" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand completions" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand completions" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand completions" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand man" -l config -d 'Read defaults for flags from this TOML file' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand man" -l dialect-file -d 'Load a job dialect of your own; repeatable' -r -F
complete -c jobwire -n "__fish_jobwire_using_subcommand man" -l color -d 'When to use colour; auto honours NO_COLOR' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c jobwire -n "__fish_jobwire_using_subcommand man" -l log-level -d 'What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default: info for serve, warn otherwise]' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c jobwire -n "__fish_jobwire_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "serve" -d 'Run the relay: publications in, WebSocket frames out'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "publish" -d 'Emit events: into Redis, or over HTTP to a relay'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "attach" -d 'Watch jobs until they end, or channels: bars, lines or JSON, and the jobs\' result as the exit code'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "run" -d 'Run a command and tell of it as a job: start, progress, end'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "bench" -d 'Load a server with connections and events: latency, losses, memory, a verdict'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "check" -d 'Smoke test: publish and receive through a relay, and say what is broken and what to do'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "top" -d 'What a relay is doing, live: its jobs, watchers, rates, slow clients and its Redis'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "token" -d 'Make a token (JWT) for those who watch, or explain one'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "demo" -d 'See it all at once: a relay, simulated jobs and their bars, with nothing to install'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "schema" -d 'Print types of the events of a dialect, of its polling body and of the messages of sockets: JSON Schema or TypeScript'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "completions" -d 'Print shell completions: verbs, flags, targets, events and their fields'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "man" -d 'Write the manual pages, one for each verb and others by subject, into a directory'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and not __fish_seen_subcommand_from serve publish attach run bench check top token demo schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "compare" -d 'Say what got better or worse between runs, beyond noise'
complete -c jobwire -n "__fish_jobwire_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "explain" -d 'Say what a token allows, and all that is wrong with it'

# Targets, and the events and fields of their dialects.

# The verb and what follows it, without flags.
function __fish_jobwire_positionals
    set -l words (commandline -opc)
    set -e words[1]
    set -l skip no
    for word in $words
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case --allowed-origins --as --assert --auth --bullmq-prefix --bullmq-queues --ca --celery-prefix --channel --channel-prefix --churn --claim --color --config --connect-rate --connections --csv --cut --dialect --dialect-file --drain --duration --echo --end --events --exp --fail-rate --find --format --header --header-timeout --heartbeat --hgrm --hlog --html --interval --jobs --junit --jwks --jwt-audience --jwt-key --jwt-secret --keep-bytes --keep-ended --keep-jobs --limit --listen --lists --log-level --markdown --max-clock-error --max-frame --max-header --max-lifetime --max-payload --milestones --only --outbox --output --owner --ownerless --patience --payload-size --ping-interval --port-file --probe --progress --progress-regex --pty --publish-key --publish-url --ramp --rate --record --redis --redis-ca --redis-cert --redis-key --redis-sentinel-password --remote-workers --repeat --replay --retries --scenario --seed --server --server-pid --shards --simulate-duration --slow --slow-rate --sort --source-ip --speed --stalled --state --step-timeout --stream-history --streams --sub --tail --targets-per-connection --threads --timeout --token --token-file --transport --trust-proxy --unknown-grace --until-idle --wait --warm-up --within --workers -H -c -d -n -r
                set skip yes
            case '-*'
            case '*'
                echo -- $word
        end
    end
end

# Whether the verb is the first argument, with at least and at most so many words behind it.
function __fish_jobwire_behind -a verb least most
    set -l found (__fish_jobwire_positionals)
    set -l behind (math (count $found) - 1)
    test "$found[1]" = $verb -a $behind -ge $least -a $behind -le $most
end

function __fish_jobwire_events
    set -l found (__fish_jobwire_positionals)
    switch "$found[2]"
        case downloads 'downloads/*'
            printf '%s\n' completed failed processing queued status
        case scraping 'scraping/*'
            printf '%s\n' job_completed job_failed job_progress job_started results_updated scraper_completed scraper_failed scraper_started
        case channels 'channels/*'
            printf '%s\n' ai:analysis_complete ai:conversation_processed ai:email_generated ai:lead_analyzed ai:model_trained ai:processing ai:response_ready campaign:completed campaign:email_failed campaign:email_sent campaign:launched campaign:paused campaign:resumed campaign:stats_updated demo:completed demo:composing demo:failed demo:generating demo:recording demo:uploading email:bounced email:clicked email:delivered email:opened email:sent email:unsubscribed lead:created notification:system scraper:completed scraper:failed scraper:google_maps_progress scraper:job_board_progress scraper:lead_found scraper:linkedin_progress scraper:progress scraper:started
        case celery 'celery/*'
            printf '%s\n' 
        case bullmq 'bullmq/*'
            printf '%s\n' 
        case jobs 'jobs/*'
            printf '%s\n' cancelled failed log part_done part_failed part_started progress queued started succeeded
        case tasks 'tasks/*'
            printf '%s\n' completion error progress registered
    end
end

function __fish_jobwire_fields
    set -l found (__fish_jobwire_positionals)
    switch "$found[2] $found[3]"
        case 'downloads completed' 'downloads/* completed'
            printf '%s\n' progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=
        case 'downloads failed' 'downloads/* failed'
            printf '%s\n' progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=
        case 'downloads processing' 'downloads/* processing'
            printf '%s\n' progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=
        case 'downloads queued' 'downloads/* queued'
            printf '%s\n' progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=
        case 'downloads status' 'downloads/* status'
            printf '%s\n' status=queued status=processing status=completed status=failed progress= videoInfo= videoInfo.id= videoInfo.title= videoInfo.thumbnail= videoInfo.duration= videoInfo.quality= downloadUrl= error= storageProvider=gcs storageProvider=azure storageProvider=s3 fileSize=
        case 'scraping job_completed' 'scraping/* job_completed'
            printf '%s\n' progress= results_count= message= metadata=
        case 'scraping job_failed' 'scraping/* job_failed'
            printf '%s\n' progress= results_count= message= metadata=
        case 'scraping job_progress' 'scraping/* job_progress'
            printf '%s\n' progress= results_count= message= metadata= successful_scrapers= failed_scrapers= total_flights=
        case 'scraping job_started' 'scraping/* job_started'
            printf '%s\n' progress= results_count= message= metadata= job_type= source=
        case 'scraping results_updated' 'scraping/* results_updated'
            printf '%s\n' progress= results_count= message= metadata=
        case 'scraping scraper_completed' 'scraping/* scraper_completed'
            printf '%s\n' progress= results_count= message= metadata= scraper_name= route= scraper_results=
        case 'scraping scraper_failed' 'scraping/* scraper_failed'
            printf '%s\n' progress= results_count= message= metadata= scraper_name= route= error=
        case 'scraping scraper_started' 'scraping/* scraper_started'
            printf '%s\n' progress= results_count= message= metadata= scraper_name= route=
        case 'channels ai:analysis_complete' 'channels/* ai:analysis_complete'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:conversation_processed' 'channels/* ai:conversation_processed'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:email_generated' 'channels/* ai:email_generated'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:lead_analyzed' 'channels/* ai:lead_analyzed'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:model_trained' 'channels/* ai:model_trained'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:processing' 'channels/* ai:processing'
            printf '%s\n' task_id= operation= model= subject= sentiment= conversation_id= email_id= lead_id= accuracy= score= result=
        case 'channels ai:response_ready' 'channels/* ai:response_ready'
            printf '%s\n' task_id= conversation_id= response= confidence= tokens_used=
        case 'channels campaign:completed' 'channels/* campaign:completed'
            printf '%s\n' campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=
        case 'channels campaign:email_failed' 'channels/* campaign:email_failed'
            printf '%s\n' campaign_id= recipient= error= email_id=
        case 'channels campaign:email_sent' 'channels/* campaign:email_sent'
            printf '%s\n' campaign_id= recipient= error= email_id=
        case 'channels campaign:launched' 'channels/* campaign:launched'
            printf '%s\n' campaign_id= campaign_name= total_recipients=
        case 'channels campaign:paused' 'channels/* campaign:paused'
            printf '%s\n' campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=
        case 'channels campaign:resumed' 'channels/* campaign:resumed'
            printf '%s\n' campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=
        case 'channels campaign:stats_updated' 'channels/* campaign:stats_updated'
            printf '%s\n' campaign_id= campaign_name= reason= sent= delivered= opened= clicked= bounced= failed=
        case 'channels demo:completed' 'channels/* demo:completed'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels demo:composing' 'channels/* demo:composing'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels demo:failed' 'channels/* demo:failed'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels demo:generating' 'channels/* demo:generating'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels demo:recording' 'channels/* demo:recording'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels demo:uploading' 'channels/* demo:uploading'
            printf '%s\n' demo_id= percent= duration= message= url= error=
        case 'channels email:bounced' 'channels/* email:bounced'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels email:clicked' 'channels/* email:clicked'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels email:delivered' 'channels/* email:delivered'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels email:opened' 'channels/* email:opened'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels email:sent' 'channels/* email:sent'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels email:unsubscribed' 'channels/* email:unsubscribed'
            printf '%s\n' email_id= campaign_id= recipient= url= reason=
        case 'channels lead:created' 'channels/* lead:created'
            printf '%s\n' lead_id= lead_name= source= email=
        case 'channels notification:system' 'channels/* notification:system'
            printf '%s\n' message= level=info level=warning level=error
        case 'channels scraper:completed' 'channels/* scraper:completed'
            printf '%s\n' scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=
        case 'channels scraper:failed' 'channels/* scraper:failed'
            printf '%s\n' scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=
        case 'channels scraper:google_maps_progress' 'channels/* scraper:google_maps_progress'
            printf '%s\n' scraper_id= source= current= total= leads_found= message=
        case 'channels scraper:job_board_progress' 'channels/* scraper:job_board_progress'
            printf '%s\n' scraper_id= source= current= total= leads_found= message=
        case 'channels scraper:lead_found' 'channels/* scraper:lead_found'
            printf '%s\n' scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=
        case 'channels scraper:linkedin_progress' 'channels/* scraper:linkedin_progress'
            printf '%s\n' scraper_id= source= current= total= leads_found= message=
        case 'channels scraper:progress' 'channels/* scraper:progress'
            printf '%s\n' scraper_id= source= current= total= leads_found= message=
        case 'channels scraper:started' 'channels/* scraper:started'
            printf '%s\n' scraper_id= source= message= error= lead_name= total= lead_id= leads_found= duration=
        case 'jobs cancelled' 'jobs/* cancelled'
            printf '%s\n' percent= message= error= exit_code= signal=
        case 'jobs failed' 'jobs/* failed'
            printf '%s\n' percent= message= error= exit_code= signal=
        case 'jobs log' 'jobs/* log'
            printf '%s\n' line= stream=stdout stream=stderr part=
        case 'jobs part_done' 'jobs/* part_done'
            printf '%s\n' percent= step= total= message= part=
        case 'jobs part_failed' 'jobs/* part_failed'
            printf '%s\n' percent= step= total= message= part= error=
        case 'jobs part_started' 'jobs/* part_started'
            printf '%s\n' percent= step= total= message= part=
        case 'jobs progress' 'jobs/* progress'
            printf '%s\n' percent= step= total= message= part=
        case 'jobs queued' 'jobs/* queued'
            printf '%s\n' message=
        case 'jobs started' 'jobs/* started'
            printf '%s\n' total= message= host= pid= command=
        case 'jobs succeeded' 'jobs/* succeeded'
            printf '%s\n' message= result=
        case 'tasks completion' 'tasks/* completion'
            printf '%s\n' status= message= recipe_id= recipe_name= user_id=
        case 'tasks error' 'tasks/* error'
            printf '%s\n' status= error= message= user_id=
        case 'tasks progress' 'tasks/* progress'
            printf '%s\n' step= total_steps= status= details= user_id=
        case 'tasks registered' 'tasks/* registered'
            printf '%s\n' user_id=
    end
end

# What may stand behind bench: a mode and a target, either of which may be left out.
function __fish_jobwire_loads
    set -l found (__fish_jobwire_positionals)
    switch "$found[2]"
        case ''
            printf '%s\n' fanout connect idle echo storm worker compare downloads downloads/ scraping scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery celery/ bullmq bullmq/ jobs jobs/ tasks tasks/
        case fanout connect idle echo storm
            printf '%s\n' downloads downloads/ scraping scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery celery/ bullmq bullmq/ jobs jobs/ tasks tasks/
    end
end

function __fish_jobwire_bench
    __fish_jobwire_behind bench 0 1
    and not string match -q compare (__fish_jobwire_positionals)[2]
end

# The jobs that a relay knows; none where no relay answers at once. Quotes and backslashes are for the shell.
function __fish_jobwire_jobs
    command -q jobwire
    or return
    set -l words (commandline -opc) (commandline -ct)
    command jobwire complete -- (string replace -ra '[\'"\\\\]' '' -- $words[2..]) 2>/dev/null </dev/null
end

complete -c jobwire -n __fish_jobwire_bench -f -a '(__fish_jobwire_loads)'
complete -c jobwire -n '__fish_jobwire_behind bench 0 2' -l assert -x -a 'delivery.p50 delivery.p75 delivery.p90 delivery.p95 delivery.p99 delivery.p99.9 delivery.p99.99 delivery.mean delivery.min delivery.max connect.p50 connect.p75 connect.p90 connect.p95 connect.p99 connect.p99.9 connect.p99.99 connect.mean connect.min connect.max connect.tcp.p50 connect.tcp.p75 connect.tcp.p90 connect.tcp.p95 connect.tcp.p99 connect.tcp.p99.9 connect.tcp.p99.99 connect.tcp.mean connect.tcp.min connect.tcp.max connect.tls.p50 connect.tls.p75 connect.tls.p90 connect.tls.p95 connect.tls.p99 connect.tls.p99.9 connect.tls.p99.99 connect.tls.mean connect.tls.min connect.tls.max connect.upgrade.p50 connect.upgrade.p75 connect.upgrade.p90 connect.upgrade.p95 connect.upgrade.p99 connect.upgrade.p99.9 connect.upgrade.p99.99 connect.upgrade.mean connect.upgrade.min connect.upgrade.max connect.first_message.p50 connect.first_message.p75 connect.first_message.p90 connect.first_message.p95 connect.first_message.p99 connect.first_message.p99.9 connect.first_message.p99.99 connect.first_message.mean connect.first_message.min connect.first_message.max round_trip.p50 round_trip.p75 round_trip.p90 round_trip.p95 round_trip.p99 round_trip.p99.9 round_trip.p99.99 round_trip.mean round_trip.min round_trip.max reconnect.p50 reconnect.p75 reconnect.p90 reconnect.p95 reconnect.p99 reconnect.p99.9 reconnect.p99.99 reconnect.mean reconnect.min reconnect.max send_lag.p50 send_lag.p75 send_lag.p90 send_lag.p95 send_lag.p99 send_lag.p99.9 send_lag.p99.99 send_lag.mean send_lag.min send_lag.max slow.delivery.p50 slow.delivery.p75 slow.delivery.p90 slow.delivery.p95 slow.delivery.p99 slow.delivery.p99.9 slow.delivery.p99.99 slow.delivery.mean slow.delivery.min slow.delivery.max storm.delivery.p50 storm.delivery.p75 storm.delivery.p90 storm.delivery.p95 storm.delivery.p99 storm.delivery.p99.9 storm.delivery.p99.99 storm.delivery.mean storm.delivery.min storm.delivery.max lost conflated missing twice duplicated reordered misrouted connect.failed closed_early publish.failed round_trip.lost slow.lost churn.lost storm.lost garbage expected received connections gaps connect.rate publish.rate reconnect.all_back server.cpu client.cpu server.rss_per_connection client.rss_per_connection'
complete -c jobwire -n '__fish_jobwire_behind bench 0 2' -l within -x -a 'delivery.p50 delivery.p75 delivery.p90 delivery.p95 delivery.p99 delivery.p99.9 delivery.p99.99 delivery.mean delivery.min delivery.max connect.p50 connect.p75 connect.p90 connect.p95 connect.p99 connect.p99.9 connect.p99.99 connect.mean connect.min connect.max connect.tcp.p50 connect.tcp.p75 connect.tcp.p90 connect.tcp.p95 connect.tcp.p99 connect.tcp.p99.9 connect.tcp.p99.99 connect.tcp.mean connect.tcp.min connect.tcp.max connect.tls.p50 connect.tls.p75 connect.tls.p90 connect.tls.p95 connect.tls.p99 connect.tls.p99.9 connect.tls.p99.99 connect.tls.mean connect.tls.min connect.tls.max connect.upgrade.p50 connect.upgrade.p75 connect.upgrade.p90 connect.upgrade.p95 connect.upgrade.p99 connect.upgrade.p99.9 connect.upgrade.p99.99 connect.upgrade.mean connect.upgrade.min connect.upgrade.max connect.first_message.p50 connect.first_message.p75 connect.first_message.p90 connect.first_message.p95 connect.first_message.p99 connect.first_message.p99.9 connect.first_message.p99.99 connect.first_message.mean connect.first_message.min connect.first_message.max round_trip.p50 round_trip.p75 round_trip.p90 round_trip.p95 round_trip.p99 round_trip.p99.9 round_trip.p99.99 round_trip.mean round_trip.min round_trip.max reconnect.p50 reconnect.p75 reconnect.p90 reconnect.p95 reconnect.p99 reconnect.p99.9 reconnect.p99.99 reconnect.mean reconnect.min reconnect.max send_lag.p50 send_lag.p75 send_lag.p90 send_lag.p95 send_lag.p99 send_lag.p99.9 send_lag.p99.99 send_lag.mean send_lag.min send_lag.max slow.delivery.p50 slow.delivery.p75 slow.delivery.p90 slow.delivery.p95 slow.delivery.p99 slow.delivery.p99.9 slow.delivery.p99.99 slow.delivery.mean slow.delivery.min slow.delivery.max storm.delivery.p50 storm.delivery.p75 storm.delivery.p90 storm.delivery.p95 storm.delivery.p99 storm.delivery.p99.9 storm.delivery.p99.99 storm.delivery.mean storm.delivery.min storm.delivery.max lost conflated missing twice duplicated reordered misrouted connect.failed closed_early publish.failed round_trip.lost slow.lost churn.lost storm.lost garbage expected received connections gaps connect.rate publish.rate reconnect.all_back server.cpu client.cpu server.rss_per_connection client.rss_per_connection'
complete -c jobwire -n '__fish_jobwire_behind attach 0 999' -f -a 'downloads/ scraping/ channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations room:campaign: room:conversation: room:demo: room:email: room:lead: room:scraper: room:task: celery/ bullmq/ jobs/ tasks/'
complete -c jobwire -n '__fish_jobwire_behind attach 0 999' -f -a '(__fish_jobwire_jobs)'
complete -c jobwire -n '__fish_jobwire_behind publish 0 0' -f -a 'downloads/ scraping/ channels celery/ bullmq/ jobs/ tasks/'
complete -c jobwire -n '__fish_jobwire_behind publish 0 0' -f -a '(__fish_jobwire_jobs)'
complete -c jobwire -n '__fish_jobwire_behind publish 1 1' -f -a '(__fish_jobwire_events)'
complete -c jobwire -n '__fish_jobwire_behind publish 2 999' -f -a '(__fish_jobwire_fields)'
