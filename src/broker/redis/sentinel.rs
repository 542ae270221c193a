//! Sentinels: asked where the master is, and heard when they announce another one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::{Failure, NoSuchMaster};
use super::opening::{self, CONNECT_TIMEOUT, Greeting, Replies, Stream, answer};
use crate::net::tls::Tls;
use crate::wire::redis::{Address, Sentinels};
use crate::wire::resp::{self, Reply};

/// Time limit for one sentinel, from opening a connection to its answer; the next one is asked then.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// Pause before a sentinel is listened to again whose connection failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Silence after which a sentinel that is listened to is sent a PING, and after another one given up.
const SILENCE: Duration = Duration::from_secs(2);

/// Channel on which a sentinel announces a new master.
const SWITCH: &[u8] = b"+switch-master";

/// Leads to the master that sentinels agree on.
pub(super) struct Guide {
    sentinels: Sentinels,
    tls: Tls,
    /// Index of the sentinel that is asked first: the one that answered last, or the one behind one that did not.
    first: AtomicUsize,
    /// The master that was announced last, until a connection to it fails. The sentinel that is asked may not know yet.
    announced: Mutex<Option<Address>>,
}

impl Guide {
    pub(super) fn new(sentinels: Sentinels, tls: Tls) -> Self {
        Self { sentinels, tls, first: AtomicUsize::new(0), announced: Mutex::default() }
    }

    /// Address of the master, as the first sentinel says that answers; within [`CONNECT_TIMEOUT`]. The next call goes on
    /// behind those that did not answer.
    pub(super) async fn master(&self) -> Result<Address, Failure> {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(address) = announced {
            return Ok(address);
        }
        let silent = || Failure::Unreachable("no sentinel answers in time".to_owned());
        timeout(CONNECT_TIMEOUT, self.ask_all()).await.unwrap_or_else(|_| Err(silent()))
    }

    /// A connection to this server failed: the sentinels are asked again, whatever was announced.
    pub(super) fn forget(&self, address: &Address) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.take_if(|announced| announced == address);
    }

    /// Listens to every sentinel, and calls `switched` with each new master, until the set is dropped.
    pub(super) fn listen(
        self: &Arc<Self>,
        switched: impl Fn(&Address) + Clone + Send + Sync + 'static,
    ) -> JoinSet<()> {
        let mut listeners = JoinSet::new();
        for sentinel in self.sentinels.addresses.clone() {
            let (guide, switched) = (Arc::clone(self), switched.clone());
            listeners.spawn(async move { guide.listen_to(&sentinel, switched).await });
        }
        listeners
    }

    async fn ask_all(&self) -> Result<Address, Failure> {
        let all = &self.sentinels.addresses;
        let first = self.first.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        let mut ignorant = None;
        for index in (first..first + all.len()).map(|index| index % all.len()) {
            match self.ask(&all[index]).await {
                Ok(Some(address)) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(address);
                }
                Ok(None) => ignorant = Some(&all[index]),
                Err(failure) => {
                    self.first.store((index + 1) % all.len(), Ordering::Relaxed);
                    failures.push((&all[index], failure));
                }
            }
        }
        match ignorant {
            None => Err(most_telling(&failures)),
            Some(sentinel) => {
                let known = self.names(sentinel).await.unwrap_or_default();
                Err(Failure::NoSuchMaster(NoSuchMaster { name: self.sentinels.master.clone(), known }))
            }
        }
    }

    /// Asks one sentinel; `None`: it knows no such master.
    async fn ask(&self, sentinel: &Address) -> Result<Option<Address>, Failure> {
        let is_secure = matches!(sentinel, Address::Tcp { tls: true, .. });
        let words: [&[u8]; 3] = [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self.sentinels.master.as_bytes()];
        self.question(sentinel, &words, |reply| address_in(reply, is_secure)).await?
    }

    /// The names of the masters that a sentinel knows.
    async fn names(&self, sentinel: &Address) -> Result<Vec<String>, Failure> {
        self.question(sentinel, &[b"SENTINEL", b"MASTERS"], names_in).await
    }

    /// Opens a connection, puts one question, and reads the answer; within [`ASK_TIMEOUT`].
    async fn question<T>(
        &self,
        sentinel: &Address,
        words: &[&[u8]],
        read: impl FnOnce(&Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        let asking = async {
            let (mut stream, mut replies) = self.open(sentinel).await?;
            let mut command = Vec::new();
            resp::command(&mut command, words);
            opening::send(stream.as_mut(), &command).await?;
            replies.next(stream.as_mut(), |reply| answer(reply, read)).await?
        };
        let silent = || Failure::Unreachable(format!("no answer within {} ms", ASK_TIMEOUT.as_millis()));
        timeout(ASK_TIMEOUT, asking).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn open(&self, sentinel: &Address) -> Result<(Box<dyn Stream>, Replies), Failure> {
        let opened = opening::open(sentinel, &self.tls, &AtomicBool::new(false)).await;
        let mut stream = opened.map_err(|error| Failure::io(&error))?;
        let mut greeting = Greeting::default();
        if let Some(login) = &self.sentinels.login {
            greeting.must(&login.command());
        }
        let replies = greeting.send(stream.as_mut()).await?;
        Ok((stream, replies))
    }

    /// Listens to one sentinel for ever. One that does not let us subscribe is asked every second instead.
    async fn listen_to(&self, sentinel: &Address, switched: impl Fn(&Address)) {
        let mut before = None;
        loop {
            if let Ok(Some(now)) = self.ask(sentinel).await {
                // A sentinel that is out of touch with the others and never changes its mind is not to be heard here.
                if before.as_ref().is_some_and(|before| *before != now) {
                    self.announce(&now, &switched);
                }
                before = Some(now);
            }
            let heard = |now: Address| {
                self.announce(&now, &switched);
                before = Some(now);
            };
            let Err(failure) = self.hear(sentinel, heard).await;
            tracing::debug!("not listening to the sentinel at {sentinel}: {failure}");
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Subscribes to a sentinel's announcements, and returns when that fails.
    async fn hear(
        &self,
        sentinel: &Address,
        mut heard: impl FnMut(Address),
    ) -> Result<std::convert::Infallible, Failure> {
        let is_secure = matches!(sentinel, Address::Tcp { tls: true, .. });
        let opened = timeout(CONNECT_TIMEOUT, self.open(sentinel)).await;
        let (mut stream, mut replies) = opened.map_err(|_| silent_for(CONNECT_TIMEOUT))??;
        let mut command = Vec::new();
        resp::command(&mut command, &[b"SUBSCRIBE", SWITCH]);
        let mut is_asked = false;
        loop {
            opening::send(stream.as_mut(), &command).await?;
            command.clear();
            let next = replies.next(stream.as_mut(), |reply| {
                answer(reply, |reply| announced_in(reply, &self.sentinels.master, is_secure))
            });
            match timeout(SILENCE, next).await {
                Ok(reply) => {
                    is_asked = false;
                    if let Some(address) = reply?? {
                        heard(address);
                    }
                }
                Err(_) if is_asked => return Err(silent_for(SILENCE)),
                Err(_) => {
                    is_asked = true;
                    resp::command(&mut command, &[b"PING"]);
                }
            }
        }
    }

    fn announce(&self, address: &Address, switched: impl Fn(&Address)) {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.clone());
        switched(address);
    }
}

fn silent_for(time: Duration) -> Failure {
    Failure::Unreachable(format!("no answer within {} s", time.as_secs()))
}

/// The failure of a sentinel that a person has to do something about, or of all where none does.
fn most_telling(failures: &[(&Address, Failure)]) -> Failure {
    let telling = failures.iter().find_map(|(address, failure)| match failure {
        Failure::Login(reason) => Some(Failure::Login(format!(
            "the sentinel at {address} says {reason:?}; --redis-sentinel-password has its password"
        ))),
        Failure::Refused(reason) => {
            Some(Failure::Refused(format!("the sentinel at {address} says {reason:?}")))
        }
        Failure::Tls(..) => Some(failure.clone()),
        _ => None,
    });
    telling.unwrap_or_else(|| {
        let each = failures.iter().map(|(address, failure)| format!("{address}: {failure}"));
        Failure::Unreachable(format!("no sentinel answers ({})", each.collect::<Vec<_>>().join("; ")))
    })
}

fn text<'a>(reply: &Reply<'a>) -> Option<&'a str> {
    match reply {
        Reply::Bulk(text) | Reply::Simple(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// Host and port as an address; a sentinel in whose place something else answers is an error.
fn address_in(reply: &Reply<'_>, tls: bool) -> Result<Option<Address>, Failure> {
    let Reply::Array(parts) = reply else { return Ok(None) };
    let [host, port] = &parts[..] else { return Ok(None) };
    let port = text(port).and_then(|port| port.parse().ok());
    match text(host).filter(|host| !host.is_empty()).zip(port) {
        Some((host, port)) => Ok(Some(Address::Tcp { host: host.to_owned(), port, tls })),
        None => Err(Failure::Unreachable("the sentinel names no address".to_owned())),
    }
}

/// The name of each master in the reply to `SENTINEL MASTERS`.
fn names_in(reply: &Reply<'_>) -> Vec<String> {
    let Reply::Array(masters) = reply else { return Vec::new() };
    let name = |master: &Reply<'_>| {
        let Reply::Array(fields) = master else { return None };
        let at = fields.chunks(2).find(|pair| text(&pair[0]) == Some("name"))?;
        at.get(1).and_then(text).map(str::to_owned)
    };
    masters.iter().filter_map(name).collect()
}

/// The new address of a master, where this announces one: its name, the old host and port, the new host and port.
fn announced_in(reply: &Reply<'_>, master: &str, tls: bool) -> Option<Address> {
    let Reply::Array(parts) = reply else { return None };
    let [kind, _, payload] = &parts[..] else { return None };
    if text(kind) != Some("message") {
        return None;
    }
    let mut words = text(payload)?.split(' ');
    if words.next() != Some(master) {
        return None;
    }
    let (host, port) = (words.nth(2)?.to_owned(), words.next()?.parse().ok()?);
    Some(Address::Tcp { host, port, tls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resp::Bounds;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.to_owned(), port, tls: false }
    }

    fn read<T>(wire: &[u8], take: impl FnOnce(&Reply<'_>) -> T) -> T {
        let (reply, _) = resp::read(wire, &Bounds { bytes: 4096, elements: 64, depth: 3 }).unwrap();
        take(&reply)
    }

    #[test]
    fn replies_of_a_sentinel_are_read() {
        let address = |wire: &[u8]| read(wire, |reply| address_in(reply, false));
        assert_eq!(address(b"*2\r\n$3\r\n::1\r\n$4\r\n6379\r\n"), Ok(Some(tcp("::1", 6379))));
        assert_eq!(address(b"*-1\r\n"), Ok(None));
        assert!(address(b"*2\r\n$0\r\n\r\n$1\r\n0\r\n").is_err());
        let masters =
            b"*2\r\n*4\r\n$4\r\nname\r\n$1\r\na\r\n$2\r\nip\r\n$1\r\nh\r\n*2\r\n$4\r\nname\r\n$1\r\nb\r\n";
        assert_eq!(read(masters, names_in), ["a", "b"]);
        assert!(read(b"*0\r\n", names_in).is_empty());
    }

    #[test]
    fn an_announcement_counts_for_its_own_master_only() {
        let announced = |payload: &str, master| {
            let mut wire = Vec::new();
            resp::command(&mut wire, &[b"message", SWITCH, payload.as_bytes()]);
            read(&wire, |reply| announced_in(reply, master, false))
        };
        assert_eq!(announced("m 10.0.0.1 1 10.0.0.2 2", "m"), Some(tcp("10.0.0.2", 2)));
        for other in ["mm 10.0.0.1 1 10.0.0.2 2", "m 10.0.0.1 1 10.0.0.2", "m a 1 b x", ""] {
            assert_eq!(announced(other, "m"), None, "{other}");
        }
    }

    #[test]
    fn what_somebody_can_mend_is_said_before_what_passes() {
        let (a, b) = (tcp("a", 1), tcp("b", 2));
        let away = Failure::Unreachable("connection refused".to_owned());
        let login = Failure::Login("NOAUTH".to_owned());
        assert_eq!(
            most_telling(&[(&a, away.clone()), (&b, away.clone())]).reason(),
            "no sentinel answers (a:1: connection refused; b:2: connection refused)"
        );
        let failure = most_telling(&[(&a, away), (&b, login)]);
        assert!(
            matches!(&failure, Failure::Login(reason) if reason.contains("sentinel at b:2")),
            "{failure}"
        );
    }
}
