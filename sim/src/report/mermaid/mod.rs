//! One run as a Mermaid sequence diagram, for a comment on a change: requests, states of messages, faults and findings.
//!
//! It writes the essential events (`sequence`) in Mermaid's syntax (`syntax`) with the number of omitted ones. `timeline`
//! shows all events.

mod syntax;

use std::io;

use self::syntax::{comment, escaped, identifiers, wrapped};
use super::Heading;
use super::event::{Document, Event, Reporter};
use super::picture::Picture;
use super::sequence::{Look, Sequence, Shape};
use crate::script::Verdict;

/// The maximum number of lines of a diagram, unless its findings need more.
const LINES: usize = 60;
/// Lines for the head of a diagram.
const HEAD: usize = 2;

/// The diagrams of all plays.
#[derive(Debug, Default)]
pub struct MermaidReport {
    diagrams: String,
}

impl Reporter for MermaidReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Played { played, replay } = *event
            && let Ok(verdict) = &played.verdict
        {
            let heading = Heading::of(&played.play, replay);
            self.diagrams.push_str(&sequence(verdict, &heading));
        }
        Ok(())
    }
}

impl Document for MermaidReport {
    fn name(&self) -> &'static str {
        "diagram"
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(self.diagrams.as_bytes())
    }
}

/// The diagram of a run.
pub fn sequence(verdict: &Verdict, heading: &Heading) -> String {
    let picture = Picture::of(verdict);
    written(&Sequence::of(verdict, &picture, LINES - HEAD), heading)
}

fn written(sequence: &Sequence, heading: &Heading) -> String {
    let participants = sequence.participants();
    let names = identifiers(sequence.names);
    let mut text = format!(
        "sequenceDiagram\n    %% {}\n    title {}\n",
        comment(heading.replay),
        escaped(heading.title)
    );
    for lane in &participants {
        let (name, shown) = (&names[*lane], &sequence.names[*lane]);
        let line = if name == shown {
            format!("    participant {name}\n")
        } else {
            format!("    participant {name} as {}\n", escaped(shown))
        };
        text.push_str(&line);
    }
    let over = |from: usize, to: usize| match from == to {
        true => names[from].clone(),
        false => format!("{},{}", names[from.min(to)], names[from.max(to)]),
    };
    let all_lanes = over(participants[0], participants[participants.len() - 1]);
    for line in &sequence.lines {
        let words = match line.shape {
            Shape::Arrow(..) => escaped(&line.text),
            Shape::Note(..) | Shape::Remark => escaped(&wrapped(&line.text)),
        };
        let words = words.replace('\n', "<br/>");
        let at = line.at.as_secs_f64();
        let line = match line.shape {
            Shape::Arrow(from, look, to) => {
                format!(
                    "    {}{}{}: {at:.3} s {words}\n",
                    names[from],
                    arrow(look),
                    names[to]
                )
            }
            Shape::Note(from, to) => format!("    Note over {}: {at:.3} s {words}\n", over(from, to)),
            Shape::Remark => format!("    Note over {all_lanes}: {words}\n"),
        };
        text.push_str(&line);
    }
    text
}

fn arrow(look: Look) -> &'static str {
    match look {
        Look::Request => "->>",
        Look::Reply => "-->>",
        Look::Frame => "-)",
        Look::LostRequest => "-x",
        Look::Lost => "--x",
    }
}

#[cfg(test)]
mod tests {
    use turnstile_judge::oracle::{Finding, Severity};
    use turnstile_scenarios::Surface;

    use super::*;
    use crate::report::played::{entry, played};

    const HEADING: Heading = Heading {
        title: "a cut & its effects",
        id: "suite/turn/some",
        surface: Surface::Unified,
        seed: 0,
        replay: "turnstile replay some.yaml --seed 0",
    };

    #[test]
    fn a_short_run_is_shown_with_its_faults_ends_and_findings() {
        let entry = entry(
            "- start: { as: first, say: gate:hold }\n- await: { gate: hold }\n\
             - cut: { between: [wrapper, server], for: 2s }\n- queue: { is: refuses, for: 40s }\n\
             - release: hold\n- await: { message: first, is: completed }\n\
             - crash: { party: server, restart-after: 1s }\n- await: { callback: first, within: 2m }",
            "- message: { of: first, is: failed }",
        );
        let verdict = played(&entry, 0).verdict.expect("the harness works");
        insta::assert_snapshot!(sequence(&verdict, &HEADING), @r#"
        sequenceDiagram
            %% turnstile replay some.yaml --seed 0
            title a cut #38; its effects
            participant client
            participant receiver
            participant server
            participant wrapper
            participant gateway
            client->>server: 0.000 s start first
            server-->>client: 0.006 s 200 queued
            server->>wrapper: 1.008 s session/ready
            wrapper-->>server: 1.008 s 200 ready
            server->>wrapper: 1.012 s job/prompt first
            wrapper->>server: 1.017 s ingest opened
            wrapper-->>server: 1.017 s 200 sent
            Note over server: 1.020 s first sent
            wrapper->>gateway: 1.023 s api/openrouter/chat/completions
            Note over server,wrapper: 1.027 s cut wrapper ↔ server
            Note over server: 1.027 s queue: #123; for: 40s, is: refuses #125;
            Note over gateway: 1.027 s release: hold
            wrapper-)server: 1.031 s complete
            wrapper-->>server: 1.281 s closed 1000
            Note over server,wrapper: 3.027 s healed wrapper ↔ server
            Note over server: 3.028 s first completed
            Note over server: 3.028 s server crashes
            Note over client,gateway: ✖ expectation at line 15 (first) failed at 3.028 s: `first`<br/>ended with status "completed", not "failed"
            Note over server: 4.028 s server restarts
            server->>receiver: 63.031 s callback first completed
            receiver-->>server: 63.031 s 200
            Note over client,gateway: 42 minor events omitted
        "#);
    }

    #[test]
    fn a_long_run_is_shortened_and_its_findings_are_kept() {
        let steps: String = (0..60)
            .map(|number| format!("- send: {{ as: m{number}, say: idle }}\n- wait: 5s\n"))
            .collect();
        let entry = entry(
            &format!("- start: {{ as: first, say: idle }}\n{steps}"),
            "- callbacks: 7",
        );
        let mut verdict = played(&entry, 0).verdict.expect("the harness works");
        let in_the_middle = Finding {
            rule: "some-rule".to_owned(),
            protocol: Vec::new(),
            at: verdict.played / 2,
            message: None,
            text: "a finding in the middle".to_owned(),
            severity: Severity::Violation,
        };
        verdict.findings.insert(0, in_the_middle);
        let diagram = sequence(&verdict, &HEADING);
        assert!(diagram.lines().count() <= LINES, "{diagram}");
        for part in ["start first", "✖ some-rule", "m59", "7", "minor events omitted"] {
            assert!(diagram.contains(part), "{part}: {diagram}");
        }
    }
}
