//! Knowledge of a cluster: who holds which slot, and which node to turn to next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::failure::{Failure, closed};
use super::super::opening::Stream;
use super::slots::{Redirection, SlotMap, slot_of};
use super::{Connector, Node, Use};
use crate::wire::redis::{Address, Endpoint, Topology};
use crate::wire::resp::{self, Bounds, Reply, Stop};

/// A cluster is asked at most this often.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A node has so long to say who holds which slot, before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bounds of the answer to `CLUSTER SLOTS`. A cluster of 1,000 nodes takes about 300 KB.
const SLOTS_REPLY: Bounds = Bounds { bytes: 4 << 20, elements: 400_000, depth: 6 };

/// Advice for a URL of one server that turns out to be a node of a cluster.
const NODE_OF_A_CLUSTER: &str = "is one node of a cluster: events of all nodes arrive there, and states are kept on the nodes \
     of their slots; when that node goes there is no other to listen to, which redis+cluster:// in its URL changes";

/// Kind that the servers of a URL turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// No server was asked yet.
    Unasked,
    /// A cluster whose slots are known.
    Cluster,
    /// A server without slots.
    Single,
    /// The server does not let us ask: redirections say where keys are.
    Untold,
}

/// Knowledge that all clones of a connector share.
#[derive(Debug)]
pub(in crate::broker::redis) struct Cluster {
    /// Nodes that the URL names.
    named: Vec<Address>,
    /// Whether they may be asked for slots: a Sentinel has none.
    can_have_slots: bool,
    /// Whether the URL says that they are a cluster.
    is_meant: bool,
    known: Mutex<Known>,
    /// Held while a node is asked, so that whoever else wants to know waits for that answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    map: SlotMap,
    /// Time of the last answer, or of the last attempt to get one.
    asked: Option<Instant>,
    /// Whether something has happened since, so that the answer may be outdated.
    is_doubtful: bool,
    /// Number of the node to turn to next.
    turn: usize,
    /// The node of the subscription.
    home: Option<Address>,
}

impl Cluster {
    pub(in crate::broker::redis) fn new(endpoint: &Endpoint) -> Self {
        let known = Known {
            standing: Standing::Unasked,
            map: SlotMap::default(),
            asked: None,
            is_doubtful: true,
            turn: 0,
            home: None,
        };
        Self {
            named: endpoint.named().to_vec(),
            can_have_slots: !matches!(endpoint.servers, Topology::Sentinel(_)),
            is_meant: matches!(endpoint.servers, Topology::Cluster(_)),
            known: Mutex::new(known),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether keys may be on several nodes.
    pub(in crate::broker::redis) fn has_slots(&self) -> bool {
        let known = self.known();
        match known.standing {
            Standing::Unasked => self.is_meant,
            Standing::Cluster => true,
            Standing::Single => false,
            Standing::Untold => self.is_meant || !known.map.is_empty(),
        }
    }

    /// Whether the URL says that it is a cluster.
    pub(in crate::broker::redis) fn is_meant(&self) -> bool {
        self.is_meant
    }

    /// The node to subscribe on, another one each time: those that hold slots, then those that the URL names.
    pub(in crate::broker::redis) fn next(&self) -> Address {
        let mut known = self.known();
        let mut all = self.everybody(&known);
        let index = known.turn % all.len();
        known.turn = index + 1;
        all.swap_remove(index)
    }

    /// All nodes that may answer. Any of them is the first, so that no two who ask keep each other from one that does.
    pub(in crate::broker::redis) fn candidates(&self) -> Vec<Address> {
        let mut all = self.everybody(&self.known());
        let first = rand::random_range(0..all.len());
        all.rotate_left(first);
        all
    }

    fn everybody(&self, known: &Known) -> Vec<Address> {
        let mut all: Vec<Address> = known.map.nodes().iter().map(|Node(address)| address.clone()).collect();
        for address in &self.named {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
        all
    }

    /// All masters that are known to hold slots.
    pub(in crate::broker::redis) fn masters(&self) -> Vec<Node> {
        self.known().map.nodes().to_vec()
    }

    /// Notes where the subscription is.
    pub(in crate::broker::redis) fn settle(&self, address: &Address) {
        self.known().home = Some(address.clone());
    }

    /// A node other than that of the subscription: what is published there, and does not reach the subscription, was sent
    /// across a cluster that is torn.
    pub(in crate::broker::redis) fn another_than_home(&self) -> Option<Node> {
        let known = self.known();
        let home = known.home.as_ref()?;
        known.map.nodes().iter().find(|Node(address)| address != home).cloned()
    }

    /// Notes that a node did not do what was expected, so that the next look-up asks anew.
    pub(in crate::broker::redis) fn doubt(&self) {
        self.known().is_doubtful = true;
    }

    /// Whether there is a reason to ask, and whether it is not too soon.
    fn is_due(&self) -> bool {
        let known = self.known();
        self.can_have_slots
            && known.is_doubtful
            && known.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
    }

    /// Learns from an error reply of the node at `asked`.
    fn learn(&self, text: &str, asked: &Address) -> Option<Redirection> {
        let found = Redirection::of_error(text, asked)?;
        if !found.is_once {
            let mut known = self.known();
            known.map.set(found.slot, found.node.clone());
            if matches!(known.standing, Standing::Unasked | Standing::Single) {
                known.standing = Standing::Cluster;
            }
            known.is_doubtful = known.standing == Standing::Cluster;
        }
        Some(found)
    }

    /// Takes an answer of a node; returns what should be said about it.
    fn take(&self, answer: Answer, from: &Address) -> Option<String> {
        let mut known = self.known();
        known.is_doubtful = false;
        let before = known.standing;
        let (standing, said) = match answer {
            Answer::Slots(map) => {
                // A cluster that has just been made holds nothing yet.
                known.is_doubtful = map.is_empty();
                known.map = map;
                (Standing::Cluster, (!self.is_meant).then(|| format!("redis at {from} {NODE_OF_A_CLUSTER}")))
            }
            Answer::Alone => {
                known.map = SlotMap::default();
                let said = self.is_meant.then(|| {
                    format!("redis at {from} is no cluster, and is used as the single server that it is; its URL is redis://{from}")
                });
                (Standing::Single, said)
            }
            Answer::Untold(reason) => {
                let said = self.is_meant.then(|| {
                    format!("redis at {from} does not say which node holds which keys ({reason}): redirections are followed")
                });
                (Standing::Untold, said)
            }
        };
        known.standing = standing;
        said.filter(|_| before != standing)
    }

    fn asked_now(&self) {
        self.known().asked = Some(Instant::now());
    }
}

/// Answer of a server to the question for slots.
#[derive(Debug)]
enum Answer {
    Slots(SlotMap),
    /// The server is in no cluster.
    Alone,
    /// The server does not let us ask.
    Untold(String),
}

impl Connector {
    /// The server that holds a key, by what the cluster says now.
    pub(in crate::broker::redis) async fn node_of(&self, key: &[u8]) -> Node {
        // The caller is about to connect, for a long time.
        self.cluster.doubt();
        self.ask_if_due().await;
        self.holder(key).unwrap_or_else(|| Node(self.home()))
    }

    /// The servers that hold keys.
    pub(in crate::broker::redis) async fn nodes(&self) -> Vec<Node> {
        self.ask_if_due().await;
        let nodes = self.cluster.masters();
        if nodes.is_empty() { vec![Node(self.home())] } else { nodes }
    }

    /// Connects to a server that holds keys, as [`Connector::connect`] does.
    pub(in crate::broker::redis) async fn connect_to(
        &self,
        node: &Node,
        purpose: Use,
    ) -> Result<Box<dyn Stream>, Failure> {
        let Node(address) = node;
        if self.has_sentinels() || (!self.cluster.is_meant() && *address == self.home()) {
            return self.connect(purpose).await;
        }
        self.connect_at_node(address, purpose).await.inspect_err(|_| self.cluster.doubt())
    }

    /// The node of a cluster that holds a key, by what is known; `None`: any node knows, and redirects to it.
    pub(in crate::broker::redis) fn holder(&self, key: &[u8]) -> Option<Node> {
        let has_slots = self.cluster.has_slots();
        has_slots.then(|| self.cluster.known().map.holder(slot_of(key)).cloned()).flatten()
    }

    /// Learns from an error reply of the node at `asked`; `None`: it redirects nobody.
    pub(in crate::broker::redis) fn redirected(
        &self,
        text: &str,
        asked: Option<&Node>,
    ) -> Option<Redirection> {
        let home = self.home();
        let found = self.cluster.learn(text, asked.map_or(&home, |Node(address)| address));
        if found.is_some() && !self.cluster.is_meant() {
            self.say_once(&format!("redis at {home} {NODE_OF_A_CLUSTER}"));
        }
        found
    }

    /// Asks which node holds which slot, whatever the URL says.
    pub(in crate::broker::redis) async fn look_around(&self) {
        self.ask(true).await;
    }

    /// Asks which node holds which slot, where keys may be on several nodes and something has happened to them.
    pub(in crate::broker::redis) async fn ask_if_due(&self) {
        self.ask(false).await;
    }

    async fn ask(&self, always: bool) {
        let is_due = || self.cluster.is_due() && (always || self.cluster.has_slots());
        if !is_due() {
            return;
        }
        let _asking = self.cluster.asking.lock().await;
        if !is_due() {
            return;
        }
        for address in self.cluster.candidates() {
            let answer = timeout(PATIENCE, self.slots_at(&address)).await;
            self.cluster.asked_now();
            if let Ok(Ok(answer)) = answer {
                if let Some(said) = self.cluster.take(answer, &address) {
                    self.say_once(&said);
                }
                return;
            }
        }
    }

    async fn slots_at(&self, address: &Address) -> Result<Answer, Failure> {
        let (mut stream, _) = self.connect_at(address, Use::Commands).await?;
        let mut command = Vec::new();
        resp::command(&mut command, &[b"CLUSTER", b"SLOTS"]);
        stream.write_all(&command).await.map_err(|error| Failure::io(&error))?;
        let mut buffer = Vec::with_capacity(4096);
        loop {
            match resp::read(&buffer, &SLOTS_REPLY) {
                Ok((reply, _)) => return answer(&reply, address),
                Err(Stop::Incomplete(_)) => {
                    if stream.read_buf(&mut buffer).await.map_err(|error| Failure::io(&error))? == 0 {
                        return Err(closed());
                    }
                }
                Err(Stop::Broken(broken)) => return Err(Failure::broken(&broken)),
            }
        }
    }
}

/// Reads the answer of the server at `from`. The failure is of a server that cannot tell now.
fn answer(reply: &Reply<'_>, from: &Address) -> Result<Answer, Failure> {
    let Reply::Error(text) = reply else { return Ok(Answer::Slots(SlotMap::of_reply(reply, from))) };
    let text = String::from_utf8_lossy(text).into_owned();
    match Failure::from_reply(&text) {
        Failure::Refused(_) if text.contains("cluster support disabled") => Ok(Answer::Alone),
        // A server that knows no such command has no cluster.
        Failure::Refused(_) if text.to_ascii_lowercase().contains("unknown command") => Ok(Answer::Alone),
        Failure::Refused(_) => Ok(Answer::Untold(text)),
        failure => Err(failure),
    }
}
