//! Groups findings by kind: the same violated oracle, and the same progress of the message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use turnstile_events::observation::Observation;
use turnstile_fault::Fault;
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::OBSERVER;
use turnstile_judge::trace::{Record, What};

use crate::report::finding::LabelledFinding;
use crate::script::Verdict;

/// The maximum number of seeds that a cluster lists.
const SEEDS_REMEMBERED: usize = 20;

/// Findings of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The violated oracle.
    pub rule: String,
    /// The events of the affected message so far, in order; empty if the finding is not about a message.
    pub shape: String,
    /// Faults that preceded the finding in all seeds. A fault in only some of them is not a cause.
    pub faults: BTreeSet<String>,
    /// The number of seeds.
    pub count: u64,
    /// The first seeds, in order.
    pub seeds: Vec<u64>,
    /// The text of the finding in the first seed.
    pub text: String,
    /// Of live plays, whether the simulated world shows the same with the script of the first seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_simulation: Option<bool>,
    /// Of guided plays, the script of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

impl Cluster {
    /// Describes what the findings have in common.
    pub fn circumstances(&self) -> String {
        let faults: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        let faults = if faults.is_empty() {
            "no common fault".to_owned()
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

/// The state of a run at a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The events of the affected message so far.
    pub(super) moments: String,
    /// The faults so far.
    pub(super) faults: BTreeSet<String>,
}

/// Clusters by rule and shape.
#[derive(Debug, Clone, Default)]
pub struct Clusters(BTreeMap<(String, String), Cluster>);

impl Clusters {
    /// Adds the first finding of a seed, with the shape of the trace around it. Returns whether it is a new cluster.
    pub fn add(
        &mut self,
        seed: u64,
        first: &LabelledFinding,
        shape: &Shape,
        in_simulation: Option<bool>,
        script: Option<String>,
    ) -> bool {
        self.merge(Cluster {
            rule: first.rule.clone(),
            shape: shape.moments.clone(),
            faults: shape.faults.clone(),
            count: 1,
            seeds: vec![seed],
            text: first.text.clone(),
            in_simulation,
            script,
        })
    }

    /// Merges a cluster into the one of its kind. Returns whether it is the first of its kind.
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
            known.in_simulation = cluster.in_simulation;
            known.script = cluster.script;
        }
        known.seeds.extend(cluster.seeds);
        known.seeds.sort_unstable();
        known.seeds.truncate(SEEDS_REMEMBERED);
        false
    }

    /// All clusters, the most frequent first.
    pub fn into_sorted(self) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = self.0.into_values().collect();
        clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.count));
        clusters
    }

    /// The number of clusters.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The shape of a trace around a finding.
pub(super) fn shape(verdict: &Verdict, finding: &Finding) -> Shape {
    let mut faults = BTreeSet::new();
    let mut moments: Vec<&str> = Vec::new();
    let played = &verdict.trace.records()[..verdict.inspection_start];
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

/// Describes the fault that a record injects, in a word or two.
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

/// Returns the end of the link that is not the server.
fn other_than_server<'a>(one: &'a str, other: &'a str) -> &'a str {
    if one == turnstile_judge::parties::SERVER {
        other
    } else {
        one
    }
}

/// Returns the event of the finding's message that a record shows to the harness's own client.
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
