//! A Redis cluster of the test's own.

use redis::Value;

use super::{PATIENCE, RedisServer, free_port, until};

/// Slots of every cluster.
const SLOTS: usize = 16384;

/// Masters that share the slots evenly, and replicas of them.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    nodes: Vec<RedisServer>,
    masters: usize,
}

impl RedisCluster {
    /// Starts so many masters and as many replicas, one of each of the first masters, with further options for all of them.
    pub(crate) fn start(masters: usize, replicas: usize, options: &[&str]) -> Self {
        let nodes: Vec<RedisServer> = (0..masters + replicas).map(|_| node(options)).collect();
        let this = Self { nodes, masters };
        this.meet();
        for index in 0..masters {
            let first = SLOTS * index / masters;
            let last = SLOTS * (index + 1) / masters - 1;
            this.run(index, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        for replica in 0..replicas {
            let master = this.id(replica);
            let node = masters + replica;
            until(PATIENCE, "the replica to be one", || {
                this.try_run(node, &["CLUSTER", "REPLICATE", &master]).is_ok()
            });
        }
        this.settle();
        this
    }

    fn meet(&self) {
        let bus = |index: usize| -> u16 {
            let ports: Vec<String> = redis::cmd("CONFIG")
                .arg("GET")
                .arg("cluster-port")
                .query(&mut self.nodes[index].connection())
                .unwrap();
            ports[1].parse().unwrap()
        };
        for index in 1..self.nodes.len() {
            let (port, bus) = (self.nodes[index].port().to_string(), bus(index).to_string());
            self.run(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let all = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        until(PATIENCE, "the nodes to know each other", || {
            (0..self.nodes.len()).all(|index| self.info(index).contains(&all))
        });
    }

    /// Waits until all nodes that run agree that the cluster is whole, and every replica follows.
    fn settle(&self) {
        until(PATIENCE, "the cluster to be whole", || {
            (0..self.nodes.len()).all(|index| self.info(index).contains("cluster_state:ok"))
        });
        for replica in self.masters..self.nodes.len() {
            until(PATIENCE, "the replica to follow", || {
                let info: String = redis::cmd("INFO")
                    .arg("replication")
                    .query(&mut self.nodes[replica].connection())
                    .unwrap();
                info.contains("master_link_status:up")
            });
        }
    }

    fn info(&self, index: usize) -> String {
        redis::cmd("CLUSTER").arg("INFO").query(&mut self.nodes[index].connection()).unwrap()
    }

    /// The id of a node.
    pub(crate) fn id(&self, index: usize) -> String {
        redis::cmd("CLUSTER").arg("MYID").query(&mut self.nodes[index].connection()).unwrap()
    }

    /// A node.
    pub(crate) fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// A node that can be killed and restarted.
    pub(crate) fn node_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// Sends a command to a node, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, index: usize, words: &[&str]) -> Value {
        self.try_run(index, words).unwrap()
    }

    /// Sends a command to a node.
    pub(crate) fn try_run(&self, index: usize, words: &[&str]) -> redis::RedisResult<Value> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.nodes[index].connection())
    }

    /// The slot of a key, and the master that held it at the start.
    pub(crate) fn place(&self, key: &str) -> (usize, usize) {
        let slot: usize = redis::cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query(&mut self.nodes[self.masters - 1].connection())
            .unwrap();
        let holder = (0..self.masters).find(|index| slot < SLOTS * (index + 1) / self.masters);
        (slot, holder.unwrap())
    }

    /// A job of a dialect whose state is kept by this master.
    pub(crate) fn job_of(&self, dialect: &str, master: usize) -> String {
        (1..1000)
            .map(|job| job.to_string())
            .find(|job| self.place(&format!("jobwire:{dialect}:{job}")).1 == master)
            .unwrap()
    }

    /// `redis+cluster://` with the given nodes.
    pub(crate) fn url(&self, nodes: &[usize]) -> String {
        let hosts: Vec<String> =
            nodes.iter().map(|index| format!("127.0.0.1:{}", self.nodes[*index].port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }
}

fn node(options: &[&str]) -> RedisServer {
    let bus = free_port().to_string();
    let fixed = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
    RedisServer::start_with(&[&fixed[..], options].concat())
}
