//! One sample for scripts: as text, or as a JSON object.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::figures::{Between, Rates, between};
use super::options::{OnceFormat, TopOptions};
use super::picture::{rate, waiting};
use crate::exit::{Exit, Failure};
use crate::lists::{ClientRow, Clients, JobQuery, JobRow, MOST_JOBS, Readiness, RelaySample};
use crate::net::address;
use crate::screen::{JobTable, elapsed, remaining};
use crate::text::{brief, bytes, clock, grouped, percent, printable, safe_json};

/// Prints what the relay says now, with rates over one interval where there is one.
///
/// # Errors
/// The relay is away, is none, or refuses; standard output cannot be written.
pub(crate) async fn once(options: &TopOptions, format: OnceFormat) -> Result<Exit, Failure> {
    options.relay.check()?;
    // The order decides which jobs are the first, so all of them are asked for.
    let query = JobQuery {
        states: options.filter.states.clone(),
        dialect: options.filter.dialect.clone(),
        limit: MOST_JOBS,
    };
    let (sample, rates) = if options.interval.is_zero() {
        (options.relay.sample_with_unfinished(&query).await?, None)
    } else {
        let few = JobQuery { limit: 1, ..query.clone() };
        let before = options.relay.sample(&few).await?;
        sleep(options.interval).await;
        let after = options.relay.sample_with_unfinished(&query).await?;
        let rates = match between(&before, &after) {
            Between::Rates(rates) => Some(rates),
            Between::Restarted | Between::Unknown => None,
        };
        (after, rates)
    };
    let now = Timestamp::now();
    let mut table = JobTable::new(options.order, options.filter.clone());
    table.replace(sample.jobs.jobs.clone(), now);
    let jobs: Vec<&JobRow> = table.shown().take(options.limit).collect();
    let text = match format {
        OnceFormat::Json => {
            let object = object(options, &sample, rates.as_ref(), &jobs, now).to_string();
            format!("{}\n", safe_json(&object))
        }
        OnceFormat::Text => lines(options, &sample, rates.as_ref(), &jobs, now),
    };
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(&error))?;
    Ok(Exit::Success)
}

/// The JSON object, whose members the manual page of top has.
fn object(
    options: &TopOptions,
    sample: &RelaySample,
    rates: Option<&Rates>,
    jobs: &[&JobRow],
    now: Timestamp,
) -> Value {
    let stats = &sample.stats;
    let addresses = match &sample.clients {
        Clients::Known(list) => Some(list.addresses),
        Clients::Unknown | Clients::Refused => stats.client_addresses,
    };
    let (is_ready, reason) = match &sample.ready {
        Readiness::Ready => (true, None),
        Readiness::Not(reason) => (false, Some(reason)),
    };
    json!({
        "server": address(&options.relay.server),
        "at": time(Some(now)),
        "jobs": jobs.iter().map(|row| job(row, now)).collect::<Vec<_>>(),
        "totals": {
            "jobs": sample.jobs.total,
            "jobs_kept": stats.jobs_kept,
            "watched_jobs": stats.active_jobs,
            "connections": stats.total_connections,
            "client_addresses": addresses,
            "events": stats.events,
            "deliveries": stats.deliveries,
            "conflated": stats.conflated,
            "slow_consumers": stats.slow_consumers,
        },
        "rates": rates.map(|rates| json!({
            "seconds": rounded(rates.seconds),
            "events": rounded(rates.events),
            "deliveries": rounded(rates.deliveries),
            "conflated": rounded(rates.conflated),
        })),
        "clients": clients(&sample.clients),
        "redis": stats.redis.as_ref().map(|redis| json!({
            "connected": redis.connected,
            "server": redis.server,
            "role": redis.role,
            "error": redis.error,
            "reconnects": redis.reconnects,
        })),
        "relay": {
            "ready": is_ready,
            "reason": reason,
            "broker": stats.broker,
            "rss_bytes": stats.process.rss_bytes,
            "cpu_seconds": stats.process.cpu_seconds,
            "cpu_percent": rates.and_then(|rates| rates.cpu).map(rounded),
        },
    })
}

/// The list of clients; `null` where there is none.
fn clients(clients: &Clients) -> Value {
    let Clients::Known(list) = clients else { return Value::Null };
    let row = |client: &ClientRow| {
        json!({
            "address": client.address,
            "sockets": client.sockets,
            "slow": client.slow,
            "waiting_bytes": client.waiting_bytes,
            "waiting_messages": client.waiting_messages,
            "waiting_ms": client.waiting_ms,
        })
    };
    list.clients.iter().map(row).collect()
}

fn job(row: &JobRow, now: Timestamp) -> Value {
    let seconds = |time: Option<std::time::Duration>| time.map(|time| rounded(time.as_secs_f64()));
    let mut object = Map::new();
    object.insert("target".into(), row.target.clone().into());
    object.insert("state".into(), row.state.as_str().into());
    object.insert("percent".into(), row.percent.into());
    object.insert("message".into(), row.message.clone().into());
    object.insert("started".into(), time(row.started));
    object.insert("updated".into(), time(row.updated));
    object.insert("elapsed_seconds".into(), seconds(elapsed(row, now)).into());
    object.insert("left_seconds".into(), seconds(remaining(row, now)).into());
    object.insert("watchers".into(), row.watchers.into());
    object.into()
}

/// Rounded to a thousandth.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
}

/// Lines for people: a summary, the slow clients, and a row for each job, cut nowhere.
fn lines(
    options: &TopOptions,
    sample: &RelaySample,
    rates: Option<&Rates>,
    jobs: &[&JobRow],
    now: Timestamp,
) -> String {
    let stats = &sample.stats;
    let mut out = vec![format!("server      {}", address(&options.relay.server))];
    let listed = sample.jobs.total.unwrap_or(sample.jobs.jobs.len() as u64);
    out.push(format!("jobs        {}, {} watched", grouped(listed), grouped(stats.active_jobs)));
    out.push(format!("connections {}", grouped(stats.total_connections)));
    if let Some(rates) = rates {
        let (events, deliveries) = (rate(rates.events), rate(rates.deliveries));
        out.push(format!(
            "rates       {events} events/s, {deliveries} deliveries/s, {} conflated/s",
            rate(rates.conflated)
        ));
    }
    let memory = stats.process.rss_bytes.map_or("unknown".to_owned(), bytes);
    let cpu = rates.and_then(|rates| rates.cpu).map(|cpu| format!(", {} CPU", percent(cpu.round(), false)));
    out.push(format!("relay       {memory}{}", cpu.unwrap_or_default()));
    out.push(match (&stats.redis, &stats.broker) {
        (Some(redis), _) if redis.connected => {
            let server = redis.server.as_deref().unwrap_or("connected");
            let role = redis.role.as_deref().map(|role| format!(", {role}")).unwrap_or_default();
            format!("redis       {}{}", printable(server), printable(&role))
        }
        (Some(redis), _) => {
            format!("redis       away: {}", printable(redis.error.as_deref().unwrap_or("not connected yet")))
        }
        (None, broker) => format!("broker      {}", printable(broker.as_deref().unwrap_or("unknown"))),
    });
    if let Readiness::Not(reason) = &sample.ready {
        out.push(format!("not ready   {}", printable(reason)));
    }
    match &sample.clients {
        Clients::Known(list) => {
            let slow = list.clients.iter().filter(|client| client.slow > 0 || client.waiting_bytes > 0);
            out.extend(slow.map(|client| format!("slow client {}", printable(&waiting(client)))));
        }
        Clients::Unknown => out.push("clients     unknown to this relay".to_owned()),
        Clients::Refused => out.push("clients     only for the publish key".to_owned()),
    }
    if !jobs.is_empty() {
        out.push(String::new());
        out.extend(aligned(jobs, now));
    }
    let left_out = sample.jobs.jobs.len().saturating_sub(jobs.len());
    if left_out > 0 {
        out.push(format!("… {} more, by --limit", grouped(left_out as u64)));
    }
    out.join("\n") + "\n"
}

/// Rows of the jobs in columns, the message last.
fn aligned(jobs: &[&JobRow], now: Timestamp) -> Vec<String> {
    use crate::text::{Side, columns, padded};
    let dash = || "-".to_owned();
    let row = |job: &&JobRow| {
        [
            brief(&job.target).into_owned(),
            job.state.as_str().to_owned(),
            job.percent.map_or_else(dash, |done| percent(done, false)),
            elapsed(job, now).map_or_else(dash, clock),
            remaining(job, now).map_or_else(dash, clock),
            grouped(job.watchers),
            job.message.as_deref().map(|message| brief(message).into_owned()).unwrap_or_default(),
        ]
    };
    let titles = ["JOB", "STATE", "PERCENT", "ELAPSED", "ETA", "WATCHERS", "MESSAGE"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(titles).chain(jobs.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(nth, (cell, width))| {
                padded(cell, *width, if nth < 2 { Side::Left } else { Side::Right })
            });
        let cells: Vec<String> = cells.chain(std::iter::once(row[6].clone())).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
