//! Which findings are one and the same: those that break the same oracle when the message has come equally far.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use turnstile_events::observation::Observation;
use turnstile_fault::Fault;
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::OBSERVER;
use turnstile_judge::trace::{Record, What};

use super::run::Explored;
use crate::script::Verdict;

/// How many seeds a cluster remembers by number.
const SEEDS_REMEMBERED: usize = 20;

/// Findings of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The oracle that was broken.
    pub rule: String,
    /// How far the message was that it is about, as moments in their order; empty if it is about none.
    pub shape: String,
    /// The faults that had struck by then in every one of the seeds: what is in some only has nothing to do with it.
    pub faults: BTreeSet<String>,
    /// In how many seeds.
    pub count: u64,
    /// The first of them, in order.
    pub seeds: Vec<u64>,
    /// What was found in the first of them.
    pub text: String,
}

impl Cluster {
    /// What all of its findings have in common, in words.
    pub fn circumstances(&self) -> String {
        let faults: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        let faults = if faults.is_empty() {
            "no fault that all have in common".to_owned()
        } else {
            faults.join(", ")
        };
        if self.shape.is_empty() {
            faults
        } else {
            format!("{} after {faults}", self.shape)
        }
    }
}

/// What a trace was like when something did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// How far the message was that it is about.
    pub(super) moments: String,
    /// The faults that had struck.
    pub(super) faults: BTreeSet<String>,
}

/// Clusters by rule and shape.
#[derive(Debug, Clone, Default)]
pub struct Clusters(BTreeMap<(String, String), Cluster>);

impl Clusters {
    /// Adds what a seed has found, by the first thing that did not hold. Whether that is a new cluster.
    pub fn add(&mut self, explored: &Explored) -> bool {
        let Some(broken) = explored.broken() else {
            return false;
        };
        let Some(first) = broken.flaws.first() else {
            return false;
        };
        self.merge(Cluster {
            rule: first.rule.clone(),
            shape: broken.shape.moments.clone(),
            faults: broken.shape.faults.clone(),
            count: 1,
            seeds: vec![explored.seed],
            text: first.text.clone(),
        })
    }

    /// Adds a cluster to the one of its kind. Whether there was none.
    pub fn merge(&mut self, cluster: Cluster) -> bool {
        let key = (cluster.rule.clone(), cluster.shape.clone());
        let Some(known) = self.0.get_mut(&key) else {
            self.0.insert(key, cluster);
            return true;
        };
        known.count += cluster.count;
        known.faults.retain(|fault| cluster.faults.contains(fault));
        if cluster.seeds.first() < known.seeds.first() {
            known.text = cluster.text;
        }
        known.seeds.extend(cluster.seeds);
        known.seeds.sort_unstable();
        known.seeds.truncate(SEEDS_REMEMBERED);
        false
    }

    /// All of them, the most frequent first.
    pub fn into_sorted(self) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = self.0.into_values().collect();
        clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.count));
        clusters
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The shape of a trace around a finding.
pub(super) fn shape(verdict: &Verdict, finding: &Finding) -> Shape {
    let mut faults = BTreeSet::new();
    let mut moments: Vec<&str> = Vec::new();
    let played = &verdict.trace.records()[..verdict.looked_back_at];
    for record in played.iter().take_while(|record| record.at <= finding.at) {
        faults.extend(fault(record));
        moments.extend(moment(record, finding));
    }
    moments.dedup();
    Shape {
        moments: moments.join(" "),
        faults,
    }
}

/// What struck somebody, in a word or two.
fn fault(record: &Record) -> Option<String> {
    let What::World(event) = &record.what else {
        return None;
    };
    let fault = event.fault()?;
    let word = fault.kind().text();
    match (fault.ends(), fault) {
        (Some([one, two]), _) => Some(format!("{word} {}", other_than_server(one, two))),
        (None, Fault::Host { host, .. }) => Some(format!("{word} {host}")),
        (None, _) => Some(word.to_owned()),
    }
}

/// Every link but one is the server's.
fn other_than_server<'a>(one: &'a str, other: &'a str) -> &'a str {
    if one == turnstile_judge::parties::SERVER {
        other
    } else {
        one
    }
}

/// A moment of the message that a finding is about, as the harness's own stream told it.
fn moment<'a>(record: &'a Record, finding: &Finding) -> Option<&'a str> {
    let What::Observation(Observation::FrameReceived { frame, .. }) = &record.what else {
        return None;
    };
    let is_about =
        *record.party == *OBSERVER && frame["data"]["messageId"].as_str() == finding.message.as_deref();
    let name = frame["streamEventType"].as_str()?;
    name.strip_prefix("cloud.message.")
        .filter(|_| is_about && finding.message.is_some() && record.at > Duration::ZERO)
}
