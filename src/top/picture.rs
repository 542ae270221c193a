//! The picture of the list: what the relay is doing, its jobs, its slow clients, the keys.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use tokio::time::Instant;

use super::state::{Away, Focus, TopState};
use crate::dialect::JobState;
use crate::lists::{ClientList, ClientRow, Clients, Readiness, RelaySample};
use crate::net::address;
use crate::screen::{Canvas, RowFilter, Tone, draw_table};
use crate::text::{bytes, grouped, percent, span};

/// The least screen that says anything, in columns and rows.
pub(super) const LEAST: (u16, u16) = (40, 10);

/// Times that a picture is drawn with.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// Time of day.
    pub(super) now: Timestamp,
    /// Monotonic time, for waits.
    pub(super) instant: Instant,
    /// Zone of the times that are shown.
    pub(super) zone: TimeZone,
}

/// One row of texts.
pub(super) type Texts<'t> = Vec<(Cow<'t, str>, Tone)>;

/// Draws the list.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &mut TopState, server: &url::Url, moment: &Moment) {
    let area = canvas.area();
    let (width, mut y) = (area.width, area.y);
    for texts in head(state, server, moment) {
        canvas.line((0, y), width, texts);
        y += 1;
    }
    let clients = slow(state, usize::from((area.height / 6).clamp(2, 12)));
    let bottom = area.bottom().saturating_sub(1 + u16::try_from(clients.len()).unwrap_or(0));
    let list = Rect { x: 0, y, width, height: bottom.saturating_sub(y) };
    state.page = usize::from(list.height.saturating_sub(1));
    let drawn = draw_table(canvas, list, &mut state.table, false, moment.now);
    if drawn.is_none() && list.height > 1 {
        canvas.put((2, y + 1), width, nothing(state), Tone::Dim);
    }
    for (texts, y) in clients.into_iter().zip(bottom..) {
        canvas.line((0, y), width, texts);
    }
    foot(canvas, state, drawn);
}

/// Text in place of the jobs where there are none.
fn nothing(state: &TopState) -> &'static str {
    match &state.sample {
        None => "asking the relay",
        Some(_) if state.table.rows().is_empty() && *state.table.filter() == RowFilter::default() => {
            "no jobs yet; `jobwire demo` shows some"
        }
        Some(_) => "no job fits the filter; Esc takes it away",
    }
}

/// Rows above the table.
fn head<'t>(state: &'t TopState, server: &url::Url, moment: &Moment) -> Vec<Texts<'t>> {
    let mut rows = vec![title(state, server)];
    if let Some(sample) = &state.sample {
        rows.push(traffic(state, sample, moment));
        rows.push(insides(state, sample, moment));
    }
    let clock = |at: Timestamp| at.to_zoned(moment.zone.clone()).strftime("%H:%M:%S").to_string();
    if let Some(Away { failure, since, again }) = &state.away {
        let wait = again.saturating_duration_since(moment.instant).as_secs_f64().ceil();
        let text = format!("relay away since {}: {}; again in {wait:.0} s", clock(*since), failure.message);
        rows.push(vec![(text.into(), Tone::Bad)]);
    } else if let Some(silence) = state.silence(moment.instant) {
        rows.push(vec![(format!("no answer for {} s", silence.as_secs()).into(), Tone::Bad)]);
    } else if let Some(Readiness::Not(reason)) = state.sample.as_ref().map(|sample| &sample.ready)
        && state.redis_away.is_none()
    {
        rows.push(vec![(format!("not ready: {reason}").into(), Tone::Bad)]);
    }
    if let Some(note) = &state.note {
        rows.push(vec![(note.as_str().into(), Tone::Warn)]);
    }
    rows
}

/// The server, and how many jobs are in which state.
fn title<'t>(state: &TopState, server: &url::Url) -> Texts<'t> {
    let mut texts: Texts<'t> =
        vec![("jobwire top".into(), Tone::Bold), (format!(" · {}", address(server)).into(), Tone::Plain)];
    if let Some(sample) = &state.sample {
        let listed = sample.jobs.jobs.len();
        let jobs = match sample.jobs.total {
            Some(total) if total > listed as u64 => {
                format!("{} of {} jobs", grouped(listed as u64), grouped(total))
            }
            _ => format!("{} {}", grouped(listed as u64), if listed == 1 { "job" } else { "jobs" }),
        };
        texts.push((format!(" · {jobs}").into(), Tone::Plain));
        let tally = |state: JobState| sample.jobs.jobs.iter().filter(|job| job.state == state).count();
        for (nth, (state, tone)) in [
            (JobState::Running, Tone::Busy),
            (JobState::Queued, Tone::Idle),
            (JobState::Failed, Tone::Bad),
            (JobState::Cancelled, Tone::Warn),
            (JobState::Succeeded, Tone::Good),
        ]
        .into_iter()
        .filter(|(state, _)| tally(*state) > 0)
        .enumerate()
        {
            texts.push((if nth == 0 { ": " } else { ", " }.into(), Tone::Plain));
            texts.push((format!("{} {}", grouped(tally(state) as u64), state.as_str()).into(), tone));
        }
    }
    if state.is_paused {
        texts.push((" · paused".into(), Tone::Warn));
    }
    texts
}

/// A rate: whole from 10 on, else with one decimal.
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is not negative"
        )]
        return grouped(per_second.round() as u64);
    }
    format!("{per_second:.1}")
}

/// Connections and rates.
fn traffic<'t>(state: &TopState, sample: &RelaySample, moment: &Moment) -> Texts<'t> {
    let (figures, clients) = (&sample.stats, &sample.clients);
    let is_silent = state.away.is_some() || state.silence(moment.instant).is_some();
    let plural = |count: u64, one: &str, many: &str| {
        format!("{} {}", grouped(count), if count == 1 { one } else { many })
    };
    let mut words = plural(figures.total_connections, "connection", "connections");
    let addresses = match clients {
        Clients::Known(list) => Some(list.addresses),
        Clients::Unknown | Clients::Refused => figures.client_addresses,
    };
    if let Some(addresses) = addresses.filter(|addresses| *addresses > 1) {
        words.extend([" from ", &grouped(addresses), " addresses"]);
    }
    let mut texts: Texts<'t> = vec![(words.into(), Tone::Plain)];
    match &state.rates {
        Some(rates) if !is_silent => {
            let events =
                format!(" · {} events/s · {} deliveries/s", rate(rates.events), rate(rates.deliveries));
            texts.push((events.into(), Tone::Plain));
            if rates.conflated > 0.0 {
                texts.push((format!(" · {} conflated/s", rate(rates.conflated)).into(), Tone::Warn));
            }
        }
        _ if is_silent => texts.push((" · rates unknown".into(), Tone::Dim)),
        _ => texts.push((" · rates follow".into(), Tone::Dim)),
    }
    if let Some(closed) = figures.slow_consumers.filter(|closed| *closed > 0) {
        texts.push((format!(" · {} closed as too slow", grouped(closed)).into(), Tone::Warn));
    }
    texts
}

/// Memory and CPU of the relay, and its Redis.
fn insides<'t>(state: &TopState, sample: &RelaySample, moment: &Moment) -> Texts<'t> {
    let figures = &sample.stats;
    let mut texts: Texts<'t> = vec![("relay".into(), Tone::Plain)];
    if let Some(rss) = figures.process.rss_bytes {
        texts.push((format!(" {}", bytes(rss)).into(), Tone::Plain));
    }
    let is_heard = state.silence(moment.instant).is_none();
    if let Some(cpu) = state.rates.filter(|_| is_heard).and_then(|rates| rates.cpu) {
        texts.push((format!(", {} CPU", percent(cpu.round(), false)).into(), Tone::Plain));
    }
    match (&figures.redis, figures.broker.as_deref()) {
        (Some(redis), _) if redis.connected => {
            let server = redis.server.as_deref().unwrap_or_default();
            let role = redis.role.as_deref().map(|role| format!(", {role}")).unwrap_or_default();
            let again = match redis.reconnects {
                0 => String::new(),
                1 => ", reconnected once".to_owned(),
                times => format!(", reconnected {} times", grouped(times)),
            };
            texts.push((format!(" · redis {server}{role}{again}").into(), Tone::Plain));
        }
        (Some(redis), _) => {
            let since = state.redis_away.unwrap_or(moment.now).to_zoned(moment.zone.clone());
            let error = redis.error.as_deref().unwrap_or("not connected yet");
            let text = format!(" · redis away since {}: {error}", since.strftime("%H:%M:%S"));
            texts.push((text.into(), Tone::Bad));
        }
        (None, Some(broker)) => texts.push((format!(" · broker {broker}").into(), Tone::Plain)),
        (None, None) => {}
    }
    texts
}

/// Rows of the slow clients: a title, as many clients as there is room for, and how many more there are.
fn slow<'t>(state: &TopState, room: usize) -> Vec<Texts<'t>> {
    let Some(Clients::Known(ClientList { clients, .. })) =
        state.sample.as_ref().map(|sample| &sample.clients)
    else {
        return Vec::new();
    };
    let slow: Vec<&ClientRow> =
        clients.iter().filter(|client| client.slow > 0 || client.waiting_bytes > 0).collect();
    if slow.is_empty() {
        return Vec::new();
    }
    let shown = if slow.len() > room { room.saturating_sub(1) } else { slow.len() };
    let title = match slow.len() {
        1 => "SLOW CLIENT, and what waits for it".to_owned(),
        count => format!("{} SLOW CLIENTS, and what waits for them", grouped(count as u64)),
    };
    let mut rows: Vec<Texts<'t>> = vec![vec![(title.into(), Tone::Warn)]];
    rows.extend(
        slow[..shown].iter().map(|client| vec![(format!("  {}", waiting(client)).into(), Tone::Plain)]),
    );
    if slow.len() > shown {
        let waiting: u64 = slow[shown..].iter().map(|client| client.waiting_bytes).sum();
        let text = format!("  {} more, {} waiting", slow.len() - shown, bytes(waiting));
        rows.push(vec![(text.into(), Tone::Dim)]);
    }
    rows
}

/// Text about a client and the messages that wait for it.
pub(super) fn waiting(client: &ClientRow) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let seconds = client.waiting_ms as f64 / 1_000.0;
    let time = if seconds < 10.0 { format!("{seconds:.1} s") } else { span(seconds) };
    format!(
        "{:<15}  {} of {} {}, {} in {} messages, for {time}",
        client.address,
        grouped(client.slow),
        grouped(client.sockets),
        if client.sockets == 1 { "socket" } else { "sockets" },
        bytes(client.waiting_bytes),
        grouped(client.waiting_messages),
    )
}

/// Draws the last row: the text that is typed, or the numbers of the rows, the order, the filters and the keys.
fn foot(canvas: &mut Canvas<'_>, state: &TopState, drawn: Option<(usize, usize)>) {
    let area = canvas.area();
    let y = area.bottom().saturating_sub(1);
    let filter = state.table.filter();
    let shown = state.table.shown().len();
    let place = match drawn {
        Some((1, last)) if last == shown => format!("all {} ", grouped(shown as u64)),
        Some((first, last)) => {
            let [first, last, shown] = [first, last, shown].map(|count| grouped(count as u64));
            format!("{first}-{last} of {shown} ")
        }
        None => String::new(),
    };
    let mut filters = Vec::new();
    if !filter.text.is_empty() {
        filters.push(format!("\"{}\"", filter.text));
    }
    if !filter.states.is_empty() {
        filters.push(filter.states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join("+"));
    }
    filters.extend(filter.dialect.iter().map(|dialect| format!("{dialect}/*")));
    let hidden = state.table.rows().len() - shown;
    if !filters.is_empty() && hidden > 0 {
        filters.push(format!("{} hidden", grouped(hidden as u64)));
    }
    if matches!(state.focus, Focus::Search) {
        let x = canvas.put((0, y), area.width, &format!("/{}", filter.text), Tone::Bold);
        canvas.put((x, y), area.width.saturating_sub(x), " ", Tone::Reversed);
        canvas.put(
            (x + 2, y),
            area.width.saturating_sub(x + 2),
            &format!("{place}· Enter keeps, Esc clears"),
            Tone::Dim,
        );
        return;
    }
    let (order, is_reversed) = state.table.order();
    let order = format!("by {}{}", order.name(), if is_reversed { " ↑" } else { "" });
    let facts = [Some(place.trim_end().to_owned()).filter(|place| !place.is_empty()), Some(order)];
    let mut facts: Vec<String> = facts.into_iter().flatten().chain(filters).collect();
    if let Some(jobs) = state.sample.as_ref().map(|sample| &sample.jobs).filter(|jobs| jobs.is_cut()) {
        facts.push(format!("order and counts only of these {}", grouped(jobs.jobs.len() as u64)));
    }
    canvas.highlight(y);
    let x = canvas.put((0, y), area.width, &facts.join(" · "), Tone::Reversed);
    let keys = ["? help", "q quit", "/ find", "⏎ open", "s state", "d dialect", "p pause"];
    let mut text = String::new();
    for key in keys {
        if crate::text::columns(&text) + key.len() + 2 + usize::from(x) + 1 > usize::from(area.width) {
            break;
        }
        text.push_str("  ");
        text.push_str(key);
    }
    let at = area.width.saturating_sub(u16::try_from(crate::text::columns(&text)).unwrap_or(0));
    canvas.put((at.max(x), y), area.width.saturating_sub(at.max(x)), &text, Tone::Reversed);
}

/// Says that the screen is too small.
pub(super) fn too_small(canvas: &mut Canvas<'_>) {
    let area = canvas.area();
    let text = format!("{}x{} is too small", area.width, area.height);
    canvas.put((0, 0), area.width, &text, Tone::Plain);
    canvas.put((0, 1), area.width, &format!("at least {}x{}", LEAST.0, LEAST.1), Tone::Plain);
}

/// The page of keys.
pub(super) fn help(canvas: &mut Canvas<'_>) {
    const KEYS: [(&str, &str); 19] = [
        ("↑ ↓  j k", "one row up or down"),
        ("PgUp PgDn", "one page"),
        ("Home End  g G", "first or last row"),
        ("Enter", "open the job: bar, parts, last events"),
        ("Esc", "back, or take the filters away"),
        ("/", "find a text in names and messages"),
        ("s", "next filter by state"),
        ("d", "next filter by dialect"),
        ("S", "order by state, the newest first"),
        ("N", "order by name"),
        ("P", "order by percent"),
        ("E", "order by elapsed time"),
        ("W", "order by watchers"),
        ("U", "order by last event"),
        ("T", "order by start"),
        ("R", "the other way round; so does the same key again"),
        ("p  Space", "pause"),
        ("Ctrl-L", "draw anew"),
        ("q  Ctrl-C", "quit"),
    ];
    let area = canvas.area();
    canvas.put((0, 0), area.width, "jobwire top: keys", Tone::Bold);
    for ((keys, what), y) in KEYS.into_iter().zip(2..area.height.saturating_sub(1)) {
        canvas.put((2, y), 16, keys, Tone::Busy);
        canvas.put((18, y), area.width.saturating_sub(18), what, Tone::Plain);
    }
    let y = area.bottom().saturating_sub(1);
    canvas.highlight(y);
    canvas.put((0, y), area.width, "any key goes back, q quits", Tone::Reversed);
}

#[cfg(test)]
mod tests;
