//! Leads to the server that is to be used, and connects to it, for the subscription and for commands alike.

mod cluster;
mod slots;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::task::JoinSet;
use tokio::time::timeout;

use self::cluster::Cluster;
pub(super) use self::slots::slot_of;
use super::failure::Failure;
use super::opening::{self, CONNECT_TIMEOUT, Greeting, Manner, Stream, Told};
use super::role::ServerRole;
use super::sentinel::Guide;
use super::tenure::Tenure;
use crate::broker::BrokerError;
use crate::net::tls::{Tls, TlsProblem};
use crate::wire::redis::{Address, Endpoint, RedisUrlError, Topology};

/// Different warnings that are given once. They name servers, of which a cluster may have ever new ones.
const MOST_WARNINGS: usize = 64;

/// Purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Channels, which belong to no database. The server must answer a PING before the connection counts as open.
    Subscription,
    /// Commands, which belong to the URL's database.
    Commands,
}

/// A server that holds keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node(pub(super) Address);

/// Opens connections to the server that a URL leads to, as long as it is one to be used: a replica or a Sentinel is not.
#[derive(Clone)]
pub(super) struct Connector {
    endpoint: Arc<Endpoint>,
    tls: Tls,
    /// The URL as people see it, its password masked.
    pub(super) address: Arc<str>,
    /// Knowledge of a cluster, which all clones share.
    pub(super) cluster: Arc<Cluster>,
    /// Leads to the master, where there are sentinels.
    guide: Option<Arc<Guide>>,
    shared: Arc<Shared>,
}

/// State that all clones have in common.
#[derive(Debug, Default)]
struct Shared {
    /// The server in use.
    tenure: Mutex<Option<Tenure>>,
    /// Warnings that were given.
    said: Mutex<Vec<String>>,
    /// The tasks that listen to sentinels, from the first connection on. They end with the last clone.
    listeners: OnceLock<JoinSet<()>>,
}

impl Shared {
    fn leave(&self, failure: Failure) {
        let tenure = self.tenure.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tenure) = tenure {
            tenure.end(failure);
        }
    }

    /// Leaves the server in use for this one, unless it is this one.
    fn switch(&self, address: &Address) {
        let mut current = self.tenure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenure) = current.take_if(|tenure| !tenure.is_of(address)) {
            tracing::info!("the sentinels announce that {address} is the master now");
            tenure.end(Failure::moved(address));
        }
    }
}

impl Connector {
    /// Reads the files that the endpoint names.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, RedisUrlError> {
        let tls = Tls::new(&endpoint.tls)?;
        let address = endpoint.to_string().into();
        let guide = match &endpoint.servers {
            Topology::Sentinel(sentinels) => Some(Arc::new(Guide::new(sentinels.clone(), tls.clone()))),
            Topology::Single(_) | Topology::Cluster(_) => None,
        };
        let cluster = Arc::new(Cluster::new(&endpoint));
        Ok(Self { endpoint: Arc::new(endpoint), tls, address, cluster, guide, shared: Arc::default() })
    }

    /// Warnings for the user: parameters of the URL that do nothing, and TLS checks that are not made.
    pub(super) fn warnings(&self) -> Vec<String> {
        let insecure = self.tls.is_insecure().then(|| {
            "the certificate of Redis is not checked: whoever answers there is trusted with the password"
                .to_owned()
        });
        self.endpoint.ignored.iter().cloned().chain(insecure).collect()
    }

    /// The database that commands go to.
    pub(super) fn database(&self) -> u32 {
        self.endpoint.database
    }

    /// The server that is turned to where no key says another one.
    pub(super) fn home(&self) -> Address {
        self.tenure().map_or_else(|| self.endpoint.named()[0].clone(), |tenure| tenure.address().clone())
    }

    /// Whether the URL leads through sentinels.
    pub(super) const fn has_sentinels(&self) -> bool {
        self.guide.is_some()
    }

    /// Warns of something once in the life of the program; of [`MOST_WARNINGS`] different things at most.
    pub(super) fn say_once(&self, text: &str) {
        let mut said = self.shared.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_WARNINGS && !said.iter().any(|before| before == text) {
            tracing::warn!("{text}");
            said.push(text.to_owned());
        }
    }

    /// Connects, logs in, and makes sure that the server is one to be used, within [`CONNECT_TIMEOUT`]; in a cluster, to
    /// another node each time, of whatever role.
    ///
    /// Every connection ends as soon as the server is not to be used any more ([`Connector::leave`]).
    pub(super) async fn connect(&self, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        if self.cluster.is_meant() {
            return self.connect_to_some(purpose).await;
        }
        let Some(guide) = &self.guide else {
            return self.connect_or_leave(&self.endpoint.named()[0], purpose).await;
        };
        self.listen(guide);
        let address = guide.master().await?;
        let connected = self.connect_or_leave(&address, purpose).await;
        if connected.is_err() {
            guide.forget(&address);
        }
        connected
    }

    /// Connects to a node of the cluster.
    async fn connect_to_some(&self, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        match purpose {
            Use::Subscription => {
                let address = self.cluster.next();
                let connected = self.connect_at(&address, purpose).await;
                let (stream, told) = connected.map_err(|failure| failure.of_node(&address))?;
                self.cluster.settle(&address);
                Ok(self.enter(&address, &told).hold(stream))
            }
            Use::Commands => {
                let any = self.connect_to_any(purpose);
                timeout(CONNECT_TIMEOUT, any).await.unwrap_or_else(|_| Err(in_vain()))
            }
        }
    }

    /// Connects to the first node that lets us in.
    async fn connect_to_any(&self, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        let mut failed = in_vain();
        for node in self.cluster.candidates() {
            match self.connect_at_node(&node, purpose).await {
                Ok(stream) => return Ok(stream),
                Err(failure) => failed = failure,
            }
        }
        Err(failed)
    }

    /// Connects to a node of a cluster.
    pub(super) async fn connect_at_node(
        &self,
        node: &Address,
        purpose: Use,
    ) -> Result<Box<dyn Stream>, Failure> {
        let connected = self.connect_at(node, purpose).await;
        connected.map(|(stream, _)| stream).map_err(|failure| failure.of_node(node))
    }

    /// Whether the URL can be right: an error where sentinels answer and know no such master.
    pub(super) async fn check(&self) -> Result<(), BrokerError> {
        let Some(guide) = &self.guide else { return Ok(()) };
        match guide.master().await {
            Err(failure @ Failure::NoSuchMaster(_)) => Err(failure.at(&self.address)),
            _ => Ok(()),
        }
    }

    /// Hears of new masters from here on.
    fn listen(&self, guide: &Arc<Guide>) {
        self.shared.listeners.get_or_init(|| {
            let shared = Arc::downgrade(&self.shared);
            guide.listen(move |address| {
                if let Some(shared) = shared.upgrade() {
                    shared.switch(address);
                }
            })
        });
    }

    /// Connects to a server, and takes it into use if its role allows that.
    async fn connect_or_leave(&self, address: &Address, purpose: Use) -> Result<Box<dyn Stream>, Failure> {
        let (stream, told) = self.connect_at(address, purpose).await?;
        if let Some(failure) = self.refusal(address, &told.role) {
            self.leave(failure.clone());
            return Err(failure);
        }
        Ok(self.enter(address, &told).hold(stream))
    }

    /// Why a server of this role is not used; `None` where it is.
    pub(super) fn refusal(&self, address: &Address, role: &ServerRole) -> Option<Failure> {
        if self.cluster.is_meant() {
            return None;
        }
        let reason = role.refusal(self.endpoint.accepts_replica)?;
        Some(Failure::NotMaster { server: address.to_string(), role: role.word(), reason })
    }

    /// The server in use, if there is one.
    pub(super) fn tenure(&self) -> Option<Tenure> {
        self.shared.tenure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all connections to the server in use.
    pub(super) fn leave(&self, failure: Failure) {
        self.shared.leave(failure);
    }

    /// Takes a server into use. Connections to another one end.
    fn enter(&self, address: &Address, told: &Told) -> Tenure {
        if told.by == Manner::Forbidden && !self.cluster.is_meant() {
            self.say_once(
                "redis lets us ask for its role neither by ROLE nor by INFO: it is taken for a master",
            );
        }
        let mut current = self.shared.tenure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(tenure) if tenure.is_of(address) => return tenure.clone(),
            Some(tenure) => tenure.end(Failure::moved(address)),
            None => {}
        }
        let tenure = Tenure::new(address.clone(), told.clone());
        *current = Some(tenure.clone());
        tenure
    }

    /// Connects to one server, logs in, and asks for its role.
    pub(super) async fn connect_at(
        &self,
        address: &Address,
        purpose: Use,
    ) -> Result<(Box<dyn Stream>, Told), Failure> {
        let is_shaking = AtomicBool::new(false);
        let attempt = async {
            let opened = opening::open(address, &self.tls, &is_shaking).await;
            let mut stream = opened.map_err(|error| Failure::io(&error))?;
            let told = self.greeting(purpose).send_and_ask(stream.as_mut()).await?;
            Ok((stream, told))
        };
        timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or_else(|_| {
            if is_shaking.load(Ordering::Relaxed) {
                return Err(Failure::tls(TlsProblem::Silent));
            }
            Err(in_vain())
        })
    }

    fn greeting(&self, purpose: Use) -> Greeting {
        let mut greeting = Greeting::default();
        if let Some(login) = &self.endpoint.login {
            greeting.must(&login.command());
        }
        if purpose == Use::Commands && self.endpoint.database != 0 {
            greeting.must(&[b"SELECT", self.endpoint.database.to_string().as_bytes()]);
        }
        // The client's handshake of TLS 1.3 ends before the server has checked the client's certificate. A reply to
        // PING shows that the server has accepted it.
        if purpose == Use::Subscription || self.endpoint.is_secure() {
            greeting.ping();
        }
        greeting
    }
}

/// Failure of an attempt that took too long.
fn in_vain() -> Failure {
    Failure::Unreachable(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))
}
